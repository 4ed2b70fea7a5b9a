//! The serde forms: clocks and suppressions are sequences of pairs; siblings are a struct of live values and context.
//! Deserialisation accepts only canonical forms.

use alloc::vec::Vec;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Dot, Siblings, Suppression, VectorClock};

impl<N: Serialize> Serialize for VectorClock<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, N: Deserialize<'de> + Ord + Clone> Deserialize<'de> for VectorClock<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde caps the capacity that a vector reserves for an announced length.
        let entries = Vec::<(N, u64)>::deserialize(deserializer)?;
        Self::from_sorted(entries).map_err(D::Error::custom)
    }
}

impl<T: Serialize> Serialize for Suppression<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de> + Ord + Clone> Deserialize<'de> for Suppression<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lengths = Vec::<(T, u32)>::deserialize(deserializer)?;
        Self::from_sorted(lengths).map_err(D::Error::custom)
    }
}

#[derive(Serialize)]
#[serde(rename = "Siblings")]
struct PartsRef<'a, V, N> {
    live: &'a [(Dot<N>, V)],
    context: &'a VectorClock<N>,
}

#[derive(Deserialize)]
#[serde(rename = "Siblings", bound = "V: Deserialize<'de>, N: Deserialize<'de> + Ord + Clone")]
struct Parts<V, N> {
    live: Vec<(Dot<N>, V)>,
    context: VectorClock<N>,
}

impl<V: Serialize, N: Serialize> Serialize for Siblings<V, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PartsRef { live: self.live(), context: self.context() }.serialize(serializer)
    }
}

impl<'de, V, N> Deserialize<'de> for Siblings<V, N>
where
    V: Deserialize<'de> + Ord,
    N: Deserialize<'de> + Ord + Clone,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { live, context } = Parts::deserialize(deserializer)?;
        Self::from_parts(live, context).map_err(D::Error::custom)
    }
}
