//! What went wrong once, or elsewhere, with the outcome that a user expects.

mod slow_disk;
