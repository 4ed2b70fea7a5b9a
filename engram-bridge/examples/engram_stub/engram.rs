//! Engram's crate and the date-time library that it shows, by stand-ins.

#[allow(missing_docs, reason = "documented where it comes from")]
pub mod chrono {
    include!("chrono.rs");
}
#[allow(missing_docs, reason = "documented where it comes from")]
pub mod engram_core {
    include!("engram_core.rs");
}
