//! A redb backend that reads a file and keeps all changes in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

const PAGE: u64 = 4_096;

/// A read-only file and the changed pages in memory that shadow it.
#[derive(Debug)]
pub(super) struct Overlay(Mutex<Pages>);

#[derive(Debug)]
struct Pages {
    file: FileBackend,
    /// The visible length of the file. Truncation reduces it.
    file_len: u64,
    len: u64,
    written: BTreeMap<u64, Box<[u8]>>,
}

impl Overlay {
    pub(super) fn over(file: FileBackend) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self(Mutex::new(Pages { file, file_len: len, len, written: BTreeMap::new() })))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Fills `out` with the bytes at `offset`, which must lie within one page.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some(page) = self.written.get(&(offset / PAGE)) {
            let at = (offset % PAGE) as usize;
            out.copy_from_slice(&page[at..at + out.len()]);
            return Ok(());
        }
        let of_file = self.file_len.saturating_sub(offset).min(out.len() as u64) as usize;
        let (of_file, beyond) = out.split_at_mut(of_file);
        beyond.fill(0);
        self.file.read(offset, of_file)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let number = offset / PAGE;
        if !self.written.contains_key(&number) {
            let mut page = vec![0; PAGE as usize];
            self.read(number * PAGE, &mut page)?;
            self.written.insert(number, page.into());
        }
        let page = self.written.get_mut(&number).expect("a missing page was inserted above");
        let at = (offset % PAGE) as usize;
        page[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn cut(&mut self, len: u64) {
        if len < self.len {
            self.file_len = self.file_len.min(len);
            self.written.retain(|number, _| number * PAGE < len);
            let rest = (PAGE - len % PAGE) % PAGE;
            if let Some(page) = self.written.get_mut(&(len / PAGE)).filter(|_| rest > 0) {
                page[(PAGE - rest) as usize..].fill(0);
            }
        }
        self.len = len;
    }
}

/// Splits the `len` bytes at `offset` into parts within one page each; returns the offset and length of each
/// part.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize)> {
    let end = offset + len as u64;
    let mut next = offset;
    std::iter::from_fn(move || {
        let begin = next;
        next = end.min((begin / PAGE + 1) * PAGE);
        (begin < end).then(|| (begin, (next - begin) as usize))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.pages().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let pages = self.pages();
        if offset + out.len() as u64 > pages.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (offset, len) in parts(offset, rest.len()) {
            let (part, after) = rest.split_at_mut(len);
            pages.read(offset, part)?;
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.pages().cut(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut pages = self.pages();
        let mut rest = data;
        for (offset, len) in parts(offset, data.len()) {
            let (part, after) = rest.split_at(len);
            pages.write(offset, part)?;
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

    use super::*;

    #[test]
    fn overlay_shadows_the_file_and_never_writes_it() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let backend = FileBackend::new(file.try_clone().unwrap()).unwrap();
        let overlay = Overlay::over(backend).unwrap();
        let mut model = bytes.clone();
        let read = |len: usize| {
            let mut out = vec![1; len];
            overlay.read(0, &mut out).map(|()| out)
        };
        overlay.write(4_000, &[7; 5_000]).unwrap();
        model[4_000..9_000].fill(7);
        assert_eq!(read(10_000).unwrap(), model);
        assert!(read(10_001).is_err());
        // Truncated bytes read as zero after the storage grows again, both in the file and in changed pages.
        for (shorter, longer) in [(8_500, 20_000), (4_097, 9_000), (10, 12_000)] {
            overlay.set_len(shorter).unwrap();
            model.truncate(shorter as usize);
            overlay.set_len(longer).unwrap();
            model.resize(longer as usize, 0);
            assert_eq!(overlay.len().unwrap(), longer);
            assert_eq!(read(longer as usize).unwrap(), model);
        }
        let mut found = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut found).unwrap();
        assert_eq!(found, bytes);
    }
}
