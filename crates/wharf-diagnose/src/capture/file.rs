//! Capture files, and captures that still go on: packets with their times, one after the other.

use std::io::{self, Cursor, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, InterfaceDescriptionBlock, PcapBlockOwned, PcapError, create_reader};
use wharf_proto::limits;

/// One packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its number in the capture, from 1, as other programs count too.
    pub frame: u64,
    /// When it was seen, since 1970.
    pub at: Duration,
    /// What its bytes begin with: a number of the registry of link types.
    pub link_type: i32,
    /// As much of it as was captured.
    pub data: &'a [u8],
}

/// Why a capture cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It is something else.
    #[error("this is no capture: it begins neither as pcap nor as pcapng does")]
    NotACapture,
    /// There is nothing in it.
    #[error("there is nothing in it")]
    Empty,
    /// It breaks off within a packet.
    #[error("the capture breaks off within a packet, after frame {frames}")]
    Truncated {
        /// The last whole frame.
        frames: u64,
    },
    /// A block that makes no sense.
    #[error("the capture is damaged after frame {frames}")]
    Damaged {
        /// The last whole frame.
        frames: u64,
    },
    /// The operating system could not read it.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CaptureError {
    /// Whether packets before the error were read, so that there is something to tell.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Damaged { .. })
    }
}

/// What one read asks for.
const BUFFER: usize = 256 * 1024;
/// Most that is kept for one block.
const LONGEST_BLOCK: usize = 16 * limits::CAPTURED_PACKET;
const GZIP: [u8; 2] = [0x1F, 0x8B];
/// RFC draft-ietf-opsawg-pcapng §4.1: the section header block, the same in both byte orders.
const SECTION_HEADER: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];

/// Reads `input` to its end, gzip'd or not, and hands each packet to `tell`, which may stop it.
///
/// # Errors
/// When it is no capture, or breaks off. What was read before has been told then.
pub fn read<'a>(
    mut input: impl Read + Send + 'a,
    tell: &mut dyn FnMut(Packet<'_>) -> ControlFlow<()>,
) -> Result<(), CaptureError> {
    let start = first_bytes(&mut input, GZIP.len())?;
    if start == GZIP {
        return read_plain(MultiGzDecoder::new(Cursor::new(start).chain(input)), tell);
    }
    read_plain(Cursor::new(start).chain(input), tell)
}

fn first_bytes(input: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(count);
    input.take(count as u64).read_to_end(&mut start)?;
    Ok(start)
}

fn read_plain<'a>(
    mut input: impl Read + Send + 'a,
    tell: &mut dyn FnMut(Packet<'_>) -> ControlFlow<()>,
) -> Result<(), CaptureError> {
    // The parser wants its first header whole; a pipe may bring it in pieces.
    let mut start = first_bytes(&mut input, 12)?;
    if start.is_empty() {
        return Err(CaptureError::Empty);
    }
    start.extend(first_bytes(&mut input, header_length(&start).saturating_sub(start.len()))?);
    let mut failure = None;
    let input = Failing { inner: Cursor::new(start).chain(input), failure: &mut failure };
    let result = read_blocks(input, tell);
    match failure {
        Some(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(CaptureError::Io(error)),
        _ => result,
    }
}

/// The length of the header with which a capture begins.
fn header_length(start: &[u8]) -> usize {
    const LEGACY: usize = 24;
    let field = |from: usize| start.get(from..from + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    match (field(0), field(4), field(8)) {
        (Some(SECTION_HEADER), Some(length), Some([0x1A, 0x2B, 0x3C, 0x4D])) => {
            (u32::from_be_bytes(length) as usize).min(BUFFER)
        }
        (Some(SECTION_HEADER), Some(length), _) => (u32::from_le_bytes(length) as usize).min(BUFFER),
        _ => LEGACY,
    }
}

/// Keeps the error that the parser would throw away.
struct Failing<'e, R> {
    inner: R,
    failure: &'e mut Option<io::Error>,
}

impl<R: Read> Read for Failing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    *self.failure = Some(error);
                    // gzip that breaks off is a capture that breaks off.
                    return if kind == io::ErrorKind::UnexpectedEof { Ok(0) } else { Err(kind.into()) };
                }
                read => return read,
            }
        }
    }
}

/// One interface of a pcapng section.
#[derive(Clone, Copy)]
struct Interface {
    link_type: i32,
    ticks_per_second: u64,
    offset: i64,
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>) -> Self {
        Self {
            link_type: block.linktype.0,
            ticks_per_second: block.ts_resolution().filter(|ticks| *ticks > 0).unwrap_or(1_000_000),
            offset: block.ts_offset(),
        }
    }

    fn time(self, high: u32, low: u32) -> Duration {
        let ticks = u64::from(high) << 32 | u64::from(low);
        let nanoseconds =
            u128::from(ticks % self.ticks_per_second) * 1_000_000_000 / u128::from(self.ticks_per_second);
        let whole = (ticks / self.ticks_per_second).saturating_add_signed(self.offset);
        Duration::new(whole, u32::try_from(nanoseconds).unwrap_or(0))
    }
}

/// What has to be known of the file to understand its packets.
struct State {
    frames: u64,
    link_type: i32,
    nanoseconds: bool,
    interfaces: Vec<Interface>,
    last: Duration,
}

fn read_blocks<'a>(
    input: impl Read + Send + 'a,
    tell: &mut dyn FnMut(Packet<'_>) -> ControlFlow<()>,
) -> Result<(), CaptureError> {
    let mut reader = match create_reader(BUFFER, input) {
        Ok(reader) => reader,
        Err(PcapError::Eof) => return Err(CaptureError::Empty),
        Err(_) => return Err(CaptureError::NotACapture),
    };
    let mut state =
        State { frames: 0, link_type: 1, nanoseconds: false, interfaces: Vec::new(), last: Duration::ZERO };
    let mut capacity = BUFFER;
    loop {
        match reader.next() {
            Ok((length, block)) => {
                let goes_on = state.take(&block, tell);
                reader.consume(length);
                if goes_on.is_break() {
                    return Ok(());
                }
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => refill(reader.as_mut(), state.frames)?,
            Err(PcapError::BufferTooSmall) if capacity < LONGEST_BLOCK => {
                capacity *= 2;
                reader.grow(capacity);
                refill(reader.as_mut(), state.frames)?;
            }
            Err(PcapError::UnexpectedEof) => return Err(CaptureError::Truncated { frames: state.frames }),
            Err(_) => return Err(CaptureError::Damaged { frames: state.frames }),
        }
    }
}

fn refill(reader: &mut (dyn PcapReaderIterator + Send), frames: u64) -> Result<(), CaptureError> {
    reader.refill().map_err(|_| CaptureError::Damaged { frames })
}

impl State {
    fn take(
        &mut self,
        block: &PcapBlockOwned<'_>,
        tell: &mut dyn FnMut(Packet<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                // The upper bits tell whether frame check sequences follow.
                self.link_type = header.network.0 & 0xFFFF;
                self.nanoseconds = header.is_nanosecond_precision();
                ControlFlow::Continue(())
            }
            PcapBlockOwned::Legacy(block) => {
                let unit = if self.nanoseconds { 1 } else { 1000 };
                let at = Duration::from_secs(block.ts_sec.into())
                    + Duration::from_nanos(u64::from(block.ts_usec) * unit);
                self.packet(at, self.link_type, block.data, tell)
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.interfaces.clear(); // a section numbers its interfaces anew
                ControlFlow::Continue(())
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() < MOST_INTERFACES {
                    self.interfaces.push(Interface::new(interface));
                }
                ControlFlow::Continue(())
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                let Some(interface) = self.interfaces.get(block.if_id as usize).copied() else {
                    self.frames += 1;
                    return ControlFlow::Continue(());
                };
                let at = interface.time(block.ts_high, block.ts_low);
                self.packet(at, interface.link_type, block.packet_data(), tell)
            }
            PcapBlockOwned::NG(Block::SimplePacket(block)) => {
                let link_type = self.interfaces.first().map_or(1, |interface| interface.link_type);
                self.packet(self.last, link_type, block.packet_data(), tell) // it has no time of its own
            }
            PcapBlockOwned::NG(_) => ControlFlow::Continue(()),
        }
    }

    fn packet(
        &mut self,
        at: Duration,
        link_type: i32,
        data: &[u8],
        tell: &mut dyn FnMut(Packet<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.frames += 1;
        self.last = at;
        tell(Packet { frame: self.frames, at, link_type, data })
    }
}

/// Interfaces of one section.
const MOST_INTERFACES: usize = 4096;
