//! Clocks as sequences of pairs, siblings as their two parts. Deserialising accepts canonical forms
//! alone.

use alloc::vec::Vec;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Dot, Siblings, VectorClock};

impl<A: Serialize> Serialize for VectorClock<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, A: Deserialize<'de> + Ord + Clone> Deserialize<'de> for VectorClock<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The vector reserves little on the word of a length, however much that promises.
        let entries = Vec::<(A, u64)>::deserialize(deserializer)?;
        Self::from_sorted(entries).map_err(D::Error::custom)
    }
}

#[derive(Serialize)]
#[serde(rename = "Siblings")]
struct PartsRef<'a, V, A> {
    live: &'a [(Dot<A>, V)],
    context: &'a VectorClock<A>,
}

#[derive(Deserialize)]
#[serde(rename = "Siblings", bound = "V: Deserialize<'de>, A: Deserialize<'de> + Ord + Clone")]
struct Parts<V, A> {
    live: Vec<(Dot<A>, V)>,
    context: VectorClock<A>,
}

impl<V: Serialize, A: Serialize> Serialize for Siblings<V, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PartsRef { live: self.live(), context: self.context() }.serialize(serializer)
    }
}

impl<'de, V, A> Deserialize<'de> for Siblings<V, A>
where
    V: Deserialize<'de>,
    A: Deserialize<'de> + Ord + Clone,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { live, context } = Parts::deserialize(deserializer)?;
        Self::from_parts(live, context).map_err(D::Error::custom)
    }
}
