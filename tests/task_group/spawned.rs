//! Children that are tasks of a runtime.

use regatta::task::task_group as group;

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
