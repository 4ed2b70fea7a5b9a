//! Properties of all histories with the faults of real nodes.

mod faults;
mod meaning;
