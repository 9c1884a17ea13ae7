//! One file to standard output, in order, each chunk verified before it is written.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::Layout;

use super::LandingError;
use super::sink::{Begun, Sink};

/// How many chunks beyond the next one to be written are kept in memory at most.
const WINDOW: u64 = 16;

/// Writes one file to a stream that cannot go back.
pub struct Stdout<W> {
    stream: Mutex<Stream<W>>,
    written: AtomicU64,
}

struct Stream<W> {
    writer: W,
    file: Option<(Root, Layout)>,
    /// The chunk to be written next.
    next: u64,
    /// Verified chunks behind it.
    early: BTreeMap<u64, Vec<u8>>,
    /// Why nothing more can be written.
    broken: Option<LandingError>,
}

#[cfg(unix)]
impl Stdout<std::fs::File> {
    /// Writes to the standard output of this process, past the buffer that is meant for lines.
    ///
    /// # Errors
    /// When no further descriptor is to be had.
    pub fn of_process() -> io::Result<Self> {
        use std::os::fd::AsFd;
        let own = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::new(own.into()))
    }
}

impl<W: Write> Stdout<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        let stream = Stream { writer, file: None, next: 0, early: BTreeMap::new(), broken: None };
        Self { stream: Mutex::new(stream), written: AtomicU64::new(0) }
    }

    fn stream(&self) -> MutexGuard<'_, Stream<W>> {
        lock(&self.stream)
    }
}

impl<W: Write> Stream<W> {
    /// Writes what has come in order.
    fn put(&mut self, index: u64, chunk: &[u8]) -> Result<(), LandingError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if index != self.next {
            self.early.insert(index, chunk.to_vec());
            return Ok(());
        }
        let mut ended = self.writer.write_all(chunk);
        self.next += 1;
        while let Some(chunk) = self.early.remove(&self.next).filter(|_| ended.is_ok()) {
            ended = self.writer.write_all(&chunk);
            self.next += 1;
        }
        ended.map_err(|error| self.break_off(error))
    }

    /// Nothing more is written: what the reader got of a chunk is not known.
    fn break_off(&mut self, error: io::Error) -> LandingError {
        let error = match error.kind() {
            io::ErrorKind::BrokenPipe => LandingError::StdoutClosed,
            _ => LandingError::Stdout(Arc::new(error)),
        };
        self.early.clear();
        self.broken = Some(error.clone());
        error
    }

    fn missing(&self, layout: Layout) -> Begun {
        let mut missing = Vec::new();
        let mut from = self.next;
        for index in self.early.keys().copied().chain([layout.chunks()]) {
            if from < index {
                missing.push(from..index);
            }
            from = index + 1;
        }
        Begun { missing, ..Begun::default() }
    }
}

impl<W: Write + Send + 'static> Sink for Stdout<W> {
    fn begin(&self, _: usize, root: Root, size: u64) -> Result<Begun, LandingError> {
        let layout = Layout::new(size)?;
        let mut stream = self.stream();
        if let Some(error) = &stream.broken {
            return Err(error.clone());
        }
        if stream.file.is_some_and(|file| file != (root, layout)) {
            if stream.next > 0 {
                return Err(LandingError::StdoutChanged);
            }
            stream.early.clear();
        }
        stream.file = Some((root, layout));
        Ok(stream.missing(layout))
    }

    fn write(&self, _: usize, index: u64, chunk: &[u8]) -> Result<(), LandingError> {
        // Whoever has a chunk that cannot be written yet waits behind a slow reader, too.
        self.stream().put(index, chunk)?;
        self.written.fetch_add(u64::try_from(chunk.len()).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }

    fn check(&self, _: usize, _: u64, _: &dyn Fn(&[u8]) -> bool) -> Result<bool, LandingError> {
        Ok(false)
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn finish(&self, jobs: &[usize]) -> Vec<(usize, Result<(), LandingError>)> {
        let mut stream = self.stream();
        let complete = stream.file.is_some_and(|(_, layout)| stream.next == layout.chunks());
        let end = if complete {
            stream.writer.flush().map_err(|error| stream.break_off(error))
        } else {
            Err(stream.broken.clone().unwrap_or(LandingError::NotCome))
        };
        jobs.iter().map(|job| (*job, end.clone())).collect()
    }

    fn window(&self) -> Option<u64> {
        Some(WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes so many bytes and then goes away.
    #[derive(Clone)]
    struct Pipe(Arc<Mutex<Vec<u8>>>, usize);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.0.lock().unwrap();
            let now = bytes.len().min(self.1 - taken.len());
            taken.extend_from_slice(&bytes[..now]);
            if now == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(now) }
        }

        fn flush(&mut self) -> io::Result<()> {
            let full = self.0.lock().unwrap().len() >= self.1;
            if full { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        }
    }

    fn pipe(takes: usize) -> (Pipe, Stdout<Pipe>) {
        let pipe = Pipe(Arc::default(), takes);
        (pipe.clone(), Stdout::new(pipe))
    }

    fn chunk(index: u64, len: usize) -> Vec<u8> {
        vec![index as u8 + 1; len]
    }

    const ROOT: Root = Root([1; 32]);
    const SIZE: u64 = (3 << 20) + 7;

    #[test]
    fn chunks_leave_in_order() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
            let (pipe, sink) = pipe(usize::MAX);
            assert_eq!(sink.begin(0, ROOT, SIZE).unwrap(), Begun::nothing(4));
            for index in order {
                assert!(sink.finish(&[0])[0].1.is_err());
                let len = if index == 3 { 7 } else { 1 << 20 };
                sink.write(0, index, &chunk(index, len)).unwrap();
            }
            assert!(matches!(sink.finish(&[0])[..], [(0, Ok(()))]));
            assert_eq!(sink.written(), SIZE);
            let out = pipe.0.lock().unwrap();
            let expected = [chunk(0, 1 << 20), chunk(1, 1 << 20), chunk(2, 1 << 20), chunk(3, 7)];
            assert!(*out == expected.concat(), "{order:?}");
        }
    }

    #[test]
    fn an_empty_file_is_nothing_but_its_end() {
        let (pipe, sink) = pipe(usize::MAX);
        assert_eq!(sink.begin(0, ROOT, 0).unwrap(), Begun::nothing(1));
        sink.write(0, 0, &[]).unwrap();
        assert!(matches!(sink.finish(&[0])[..], [(0, Ok(()))]));
        assert!(pipe.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_file_begun_again_goes_on_and_another_cannot() {
        let (_, sink) = pipe(usize::MAX);
        sink.begin(0, ROOT, SIZE).unwrap();
        sink.write(0, 2, &chunk(2, 1 << 20)).unwrap();
        assert_eq!(sink.begin(0, ROOT, SIZE).unwrap().missing, [0..2, 3..4]);
        // Nothing has left yet.
        assert_eq!(sink.begin(0, Root([2; 32]), 1).unwrap(), Begun::nothing(1));
        assert_eq!(sink.begin(0, ROOT, SIZE).unwrap(), Begun::nothing(4));
        sink.write(0, 0, &chunk(0, 1 << 20)).unwrap();
        assert_eq!(
            sink.begin(0, ROOT, SIZE).unwrap().missing.as_slice(),
            std::slice::from_ref(&(1..4))
        );
        assert!(matches!(sink.begin(0, ROOT, 1), Err(LandingError::StdoutChanged)));
    }

    #[test]
    fn a_reader_that_goes_away_ends_it() {
        for takes in [0, 5, 1 << 20, SIZE as usize] {
            let (pipe, sink) = pipe(takes);
            sink.begin(0, ROOT, SIZE).unwrap();
            sink.write(0, 1, &chunk(1, 1 << 20)).unwrap();
            let ended = [0, 2, 3].map(|index| {
                let len = if index == 3 { 7 } else { 1 << 20 };
                sink.write(0, index, &chunk(index, len))
            });
            let end = sink.finish(&[0]).remove(0).1.unwrap_err();
            assert!(matches!(end, LandingError::StdoutClosed), "{end}");
            assert_eq!(ended.iter().all(Result::is_ok), takes == SIZE as usize);
            let again = sink.begin(0, ROOT, SIZE);
            assert!(matches!(again, Err(LandingError::StdoutClosed)));
            assert_eq!(pipe.0.lock().unwrap().len(), takes);
        }
    }
}
