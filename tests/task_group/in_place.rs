//! Children that their host polls.

use regatta::task::scope as group;

#[path = "cancelling.rs"]
mod cancelling;
#[path = "ending.rs"]
mod ending;
#[path = "handles.rs"]
mod handles;
#[path = "limits.rs"]
mod limits;
#[path = "modes.rs"]
mod modes;
#[path = "panics.rs"]
mod panics;
#[path = "results.rs"]
mod results;
#[path = "starting.rs"]
mod starting;
