//! Calls from threads outside the node's runtime, such as those of a host's own event loop.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::common::dry::{self, Seen};
use crate::common::{Cluster, Ready, quiet, roster};
use engram_gossip_net::{IdentityChange, Roster};
use tokio::runtime::Builder;

/// Wakes a thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `future` without a runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn methods_work_outside_of_the_runtime() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cluster = Cluster::new();
    let ready = cluster.issue("a");
    let start = |ready: &Ready| ready.start(&quiet(), Roster::default());
    let [a, b] = runtime.block_on(async { [start(&ready), start(&cluster.issue("b"))] });
    let members = roster([a.member(), b.member()]);
    a.gossip.set_roster(members.clone());
    b.gossip.set_roster(members);
    b.store.write("news");
    assert!(wait(a.gossip.sync_with(b.id())).unwrap().is_equal());
    assert_eq!(wait(a.gossip.round()).contacts.len(), 1);
    let preview = a.gossip.sync_with_view(b.id(), dry::pin(&a.store, &Seen::default()));
    assert!(wait(preview).unwrap().is_equal());
    a.gossip.announce();
    let identity = a.gossip.set_identity(ready.identity()).unwrap();
    assert_eq!(identity, IdentityChange::default());
    a.gossip.set_limits(a.gossip.limits()).unwrap();
    a.gossip.handle_advert(b.id(), &b.gossip.advert(1000)).unwrap();
    let mut metadata = BTreeMap::new();
    b.gossip.attach(&mut metadata);
    a.gossip.handle(b.id(), &metadata).unwrap();
    a.gossip.handle_named("b", &metadata).unwrap();
    let (peers, stats) = (a.gossip.peers(), a.gossip.stats());
    assert_eq!((peers[0].member.id, stats.events_dropped), (b.id(), 0));
    let mut events = b.gossip.events();
    a.gossip.set_roster(roster([a.member()]));
    assert!(wait(events.next()).is_some(), "b loses its connection");
    wait(a.gossip.shutdown());
    drop(b);
    wait(async { while events.next().await.is_some() {} });
}
