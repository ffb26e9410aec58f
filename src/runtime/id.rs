//! Which runtime something belongs to.

use super::{ClockId, Kind, Runtime};

/// Equal: the same runtime. Never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RuntimeId(Id);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Id {
    #[cfg(feature = "tokio")]
    Tokio(::tokio::runtime::Id),
    #[cfg(feature = "smol")]
    Smol,
    Neutral,
    Custom(ClockId),
}

impl Runtime {
    /// The name of the current runtime, without a handle to it.
    #[inline]
    pub(crate) fn id_here() -> RuntimeId {
        #[cfg(feature = "tokio")]
        if !super::current::is_entered()
            && let Some(name) = super::tokio::name_of_runtime()
        {
            return RuntimeId(Id::Tokio(name));
        }
        Runtime::current().id()
    }

    /// For what must not go from one runtime to another, such as a socket, which dies with its reactor.
    #[inline]
    pub(crate) fn id(&self) -> RuntimeId {
        RuntimeId(match &*self.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(tokio) => Id::Tokio(tokio.handle().id()),
            #[cfg(feature = "smol")]
            Kind::Smol => Id::Smol,
            Kind::Neutral(_) => Id::Neutral,
            Kind::Custom(backend) => Id::Custom(backend.id),
        })
    }
}
