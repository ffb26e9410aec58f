//! Where the shared files look for `crate::internal`.

pub(crate) mod atomic;
#[path = "../../../../src/internal/caught.rs"]
pub(crate) mod caught;
#[path = "../../../../src/internal/deadline.rs"]
pub(crate) mod deadline;
#[cfg(test)]
#[path = "../../../../src/internal/effort.rs"]
pub(crate) mod effort;
#[path = "../../../../src/internal/gated.rs"]
pub(crate) mod gated;
#[path = "../../../../src/runtime/label.rs"]
pub(crate) mod label;
#[path = "../../../../src/internal/line.rs"]
pub(crate) mod line;
pub(crate) mod lock;
#[path = "../../../../src/internal/look.rs"]
pub(crate) mod look;
#[path = "../../../../src/internal/node.rs"]
pub(crate) mod node;
#[path = "../../../../src/internal/reason.rs"]
pub(crate) mod reason;
pub(crate) mod scope;
#[path = "../../../../src/internal/slots.rs"]
pub(crate) mod slots;
