//! Property tests over histories with the faults of real nodes.

mod faults;
mod meaning;
