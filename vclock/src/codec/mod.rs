//! The canonical bytes of clocks and siblings.

mod actor;
mod clock;
mod reader;
mod siblings;
mod table;
mod varint;

pub use actor::ActorBytes;
pub use reader::Reader;
pub use table::ActorTable;
pub use varint::write_varint;
