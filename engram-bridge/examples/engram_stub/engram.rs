//! Stand-ins for Engram's crate and for the date-time library in its API.

#[allow(missing_docs, reason = "documented upstream")]
pub mod chrono {
    include!("chrono.rs");
}
#[allow(missing_docs, reason = "documented upstream")]
pub mod engram_core {
    include!("engram_core.rs");
}
