//! Children that are tasks of a runtime.

use regatta::task::task_group as group;

#[path = "cancelling.rs"]
mod cancelling;
#[path = "ending.rs"]
mod ending;
#[path = "results.rs"]
mod results;
#[path = "starting.rs"]
mod starting;
