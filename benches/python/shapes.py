"""What all loops are asked to do, under the titles of row Y of `regatta-benches`, which does the same."""

GROUP, FEW, PENDING = 10_000, 3, 10_000
QUEUE_ITEMS, QUEUE_PLACES = 100_000, 100
SEMAPHORE_TASKS, SEMAPHORE_TURNS, SEMAPHORE_PERMITS = 64, 200, 4
WAITERS = 10_000
SLEEPS, SLEEP = 100_000, 0.01
TIMEOUTS, LONG = 5_000, 60
TRIPS, THREADS = 2_000, 8
REQUESTS, AT_ONCE = 1_000, 64
FEW_GROUPS = 3_333

# By title: the function that does it, and how many operations it does in a run.
SHAPES = {
    "group of 10,000 tasks": ("group", GROUP),
    "groups of 3 tasks": ("groups_of_three", FEW_GROUPS),
    "group of 10,000 that fails": ("failing_group", PENDING),
    "queue, 100 places": ("queue", QUEUE_ITEMS),
    "semaphore, 64 tasks for 4": ("semaphore", SEMAPHORE_TASKS * SEMAPHORE_TURNS),
    "event, 10,000 waiters": ("event", WAITERS),
    "100,000 sleeps of 10 ms": ("sleeps", SLEEPS),
    "timeout around one yield": ("timeouts", TIMEOUTS),
    "executor round trip": ("round_trips", TRIPS),
    "HTTP GET, 64 at once": ("requests", REQUESTS),
}


class Failed(Exception):
    """What fails a group."""
