// The part of `chrono` that Engram's types expose.

use std::marker::PhantomData;

#[derive(Clone, Copy, Debug)]
pub struct Utc;

#[derive(Clone, Copy, Debug)]
pub struct DateTime<Tz>(i64, PhantomData<Tz>);

impl DateTime<Utc> {
    pub const fn from_timestamp_nanos(nanos: i64) -> Self {
        Self(nanos, PhantomData)
    }

    pub const fn timestamp_nanos_opt(&self) -> Option<i64> {
        Some(self.0)
    }
}
