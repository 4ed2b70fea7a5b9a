//! Syncs two maps of byte strings over TCP. In practice, the two sides are two processes.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use engram_gossip_proto::testing::{ByteMap, ByteMapView};
use engram_gossip_proto::{
    FrameHeader, HEADER_LEN, Outcome, Parameters, Session, SessionConfig, SpaceId,
};

/// Drives one side: sends all frames of a turn at once, then handles the next frame of the peer.
fn drive(mut session: Session<ByteMapView>, mut tcp: TcpStream) -> io::Result<Outcome> {
    let start = Instant::now();
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    loop {
        let mut turn = Vec::new();
        while let Some(frame) = session.poll_frame(start.elapsed()) {
            turn.extend(frame);
        }
        tcp.write_all(&turn)?;
        if let Some(outcome) = session.outcome() {
            return Ok(outcome.clone());
        }
        let mut frame = vec![0; HEADER_LEN];
        tcp.read_exact(&mut frame)?;
        let header = frame.first_chunk().expect("a whole header");
        let header = FrameHeader::parse(header).map_err(io::Error::other)?;
        frame.resize(HEADER_LEN + header.body_len(), 0);
        tcp.read_exact(&mut frame[HEADER_LEN..])?;
        let _ = session.handle_frame(&frame, start.elapsed()); // The outcome reports errors, too.
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ours, theirs) = (ByteMap::new([1; 32]), ByteMap::new([2; 32]));
    ours.insert("greeting", "hello")?;
    theirs.insert("farewell", "goodbye")?;
    let parameters = Parameters::new("sha256", 12);
    let spaces = |map: &ByteMap| vec![(SpaceId::new("default").expect("a valid name"), map.pin())];
    let random = || RandomState::new().hash_one(Instant::now()).to_be_bytes();

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let tcp = TcpStream::connect(listener.local_addr()?)?;
    let (config, now) = (SessionConfig::default, Duration::ZERO);
    let accepted = Session::accept(config(), parameters.clone(), random(), spaces(&theirs), now)?;
    let peer = thread::spawn(move || drive(accepted, listener.accept()?.0));
    let opened = Session::open(config(), parameters, random(), spaces(&ours), now)?;
    println!("{:?}", drive(opened, tcp)?.result);
    println!("{:?}", peer.join().expect("the peer does not panic")?.result);
    assert_eq!(ours.to_map(), theirs.to_map());
    Ok(())
}
