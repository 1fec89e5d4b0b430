//! Checks the entropy-coded data of one scan.

use super::{
    Component, Frame, MarkerReader, Tables,
    bits::{Bits, Stop},
    huffman::Huffman,
};

/// The greatest number of blocks, of all components together, that libjpeg accepts in a unit.
const LARGEST_UNIT: usize = 10;

/// A component of a scan.
struct Part<'t> {
    component: usize,
    dc: Option<&'t Huffman>,
    ac: Option<&'t Huffman>,
}

/// What the header of a scan says.
struct Header<'t> {
    parts: Vec<Part<'t>>,
    /// First and last coefficient, in zigzag order.
    band: (u32, u32),
    /// Whether the scan gives one more bit of coefficients whose higher bits are known.
    refines: bool,
    /// The lowest bit that the scan gives.
    low: u8,
}

/// Reads to the end of a scan's data and fails if it ends early.
pub(super) fn walk(
    walk: &mut MarkerReader<'_>,
    frame: &mut Frame,
    tables: &Tables,
    header: &[u8],
) -> Result<(), String> {
    let header = Header::read(header, frame, tables)?;
    let units = header.units(frame);
    let total: usize = units.0 * units.1;
    // Every block takes a bit or more, so a header that promises more than the file can hold is refused
    // before memory is allocated for it. Only scans that refine blocks that end early may have fewer bits.
    if header.band.0 == 0 && total / 8 > walk.bytes.len() {
        return Err(missing(0, total));
    }
    if frame.progressive {
        let (across, down) = frame.units();
        for part in &header.parts {
            let component = &mut frame.components[part.component];
            let blocks = across * component.horizontal * down * component.vertical;
            if component.nonzero.is_empty() && header.band.0 == 0 {
                if blocks / 8 > walk.bytes.len() {
                    return Err(missing(0, blocks));
                }
                component.nonzero = vec![0; blocks];
            }
            if component.nonzero.is_empty() {
                return Err("a scan gives details of what no scan has begun".into());
            }
        }
    }
    let start = walk.at;
    let mut bits = Bits::new(walk.bytes, start);
    let mut run = 0;
    let mut kept_from = start;
    for unit in 0..total {
        if tables.restart > 0 && unit > 0 && unit % tables.restart == 0 {
            walk.keep(kept_from..bits.position());
            walk.at = bits.position();
            let expected = 0xd0 + ((unit / tables.restart - 1) % 8) as u8;
            match walk.next_marker() {
                Some((marker, at)) if marker == expected => kept_from = at,
                _ => return Err(missing(unit, total)),
            }
            bits = Bits::new(walk.bytes, walk.at);
            run = 0;
        }
        let read = if frame.progressive {
            header.progressive_unit(&mut bits, frame, unit, units.0, &mut run)
        } else {
            header.sequential_unit(&mut bits, frame)
        };
        read.map_err(|stop| match stop {
            Stop::RanOut => missing(unit, total),
            Stop::NoCode => format!("its data are damaged after {unit} of {total} blocks"),
        })?;
    }
    walk.keep(kept_from..bits.position());
    walk.at = bits.position();
    for part in &header.parts {
        let known = &mut frame.components[part.component].known;
        for coefficient in &mut known[header.band.0 as usize..=header.band.1 as usize] {
            *coefficient = Some(header.low);
        }
    }
    Ok(())
}

fn missing(done: usize, total: usize) -> String {
    format!("it is cut off: a scan ends after {done} of {total} blocks")
}

impl<'t> Header<'t> {
    fn read(header: &[u8], frame: &Frame, tables: &'t Tables) -> Result<Self, String> {
        let damaged = || "a scan's header is damaged".to_owned();
        let (&count, rest) = header.split_first().ok_or_else(damaged)?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(damaged)?;
        let &[first, last, precision] = rest.first_chunk::<3>().ok_or_else(damaged)?;
        let part = |&[id, of_tables]: &[u8; 2]| {
            let component = frame.components.iter().position(|component| component.id == id)?;
            let dc = tables.dc.get(usize::from(of_tables >> 4))?.as_ref();
            let ac = tables.ac.get(usize::from(of_tables & 0xf))?.as_ref();
            Some(Part { component, dc, ac })
        };
        let parts: Option<Vec<_>> = components.as_chunks().0.iter().map(part).collect();
        let parts = parts.filter(|parts| (1..=4).contains(&parts.len())).ok_or_else(damaged)?;
        let blocks = |part: &Part<'_>| {
            frame.components[part.component].horizontal * frame.components[part.component].vertical
        };
        if parts.len() > 1 && parts.iter().map(blocks).sum::<usize>() > LARGEST_UNIT {
            return Err(damaged());
        }
        if !frame.progressive {
            return Ok(Self { parts, band: (0, 63), refines: false, low: 0 });
        }
        let (refines, low) = (precision >> 4 > 0, precision & 0xf);
        let of_dc = first == 0 && last == 0;
        let of_ac = first > 0 && first <= last && last < 64 && parts.len() == 1;
        if !(of_dc || of_ac) || low > 13 {
            return Err(damaged());
        }
        Ok(Self { parts, band: (first.into(), last.into()), refines, low })
    }

    /// The number of units in the scan, across and down: single blocks if it has one component.
    fn units(&self, frame: &Frame) -> (usize, usize) {
        match &self.parts[..] {
            [part] => frame.blocks(part.component),
            _ => frame.units(),
        }
    }

    /// The number of blocks of a component in a unit, across and down.
    fn blocks_of(&self, component: &Component) -> (usize, usize) {
        if self.parts.len() == 1 { (1, 1) } else { (component.horizontal, component.vertical) }
    }

    fn sequential_unit(&self, bits: &mut Bits<'_>, frame: &Frame) -> Result<(), Stop> {
        for part in &self.parts {
            let (across, down) = self.blocks_of(&frame.components[part.component]);
            let (dc, ac) = (part.dc.ok_or(Stop::NoCode)?, part.ac.ok_or(Stop::NoCode)?);
            for _ in 0..across * down {
                let size = dc.decode(bits)?;
                bits.skip(u32::from(size).min(16))?;
                let mut coefficient = 1;
                while coefficient < 64 {
                    let (zeros, size) = run_and_size(ac.decode(bits)?);
                    match (zeros, size) {
                        (15, 0) => coefficient += 16,
                        (_, 0) => break,
                        _ => {
                            bits.skip(size)?;
                            coefficient += zeros + 1;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads a unit of a progressive scan. `run` counts the following blocks that have no more coefficients.
    fn progressive_unit(
        &self,
        bits: &mut Bits<'_>,
        frame: &mut Frame,
        unit: usize,
        units_across: usize,
        run: &mut u32,
    ) -> Result<(), Stop> {
        if self.band.0 == 0 {
            for part in &self.parts {
                let (across, down) = self.blocks_of(&frame.components[part.component]);
                for _ in 0..across * down {
                    if self.refines {
                        bits.skip(1)?;
                    } else {
                        let size = part.dc.ok_or(Stop::NoCode)?.decode(bits)?;
                        bits.skip(u32::from(size).min(16))?;
                    }
                }
            }
            return Ok(());
        }
        // A scan of coefficients other than the first has one component, whose blocks lie in rows of whole
        // units.
        let (across, _) = frame.units();
        let part = &self.parts[0];
        let component = &mut frame.components[part.component];
        let row = across * component.horizontal;
        let block = unit / units_across * row + unit % units_across;
        let nonzero = component.nonzero.get_mut(block).ok_or(Stop::NoCode)?;
        let ac = part.ac.ok_or(Stop::NoCode)?;
        if self.refines { self.refine(bits, ac, nonzero, run) } else { self.first(bits, ac, nonzero, run) }
    }

    fn first(&self, bits: &mut Bits<'_>, ac: &Huffman, nonzero: &mut u64, run: &mut u32) -> Result<(), Stop> {
        if *run > 0 {
            *run -= 1;
            return Ok(());
        }
        let (mut coefficient, last) = self.band;
        while coefficient <= last {
            match run_and_size(ac.decode(bits)?) {
                (15, 0) => coefficient += 16,
                (length, 0) => {
                    *run = (1 << length) + bits.take(length)? - 1;
                    break;
                }
                (zeros, size) => {
                    bits.skip(size)?;
                    coefficient += zeros;
                    mark(nonzero, coefficient);
                    coefficient += 1;
                }
            }
        }
        Ok(())
    }

    fn refine(
        &self,
        bits: &mut Bits<'_>,
        ac: &Huffman,
        nonzero: &mut u64,
        run: &mut u32,
    ) -> Result<(), Stop> {
        let (mut coefficient, last) = self.band;
        let is_nonzero = |nonzero: u64, coefficient: u32| nonzero >> coefficient & 1 == 1;
        if *run == 0 {
            while coefficient <= last {
                let (mut zeros, size) = run_and_size(ac.decode(bits)?);
                if size == 0 && zeros < 15 {
                    *run = (1 << zeros) + bits.take(zeros)?;
                    break;
                }
                if size > 0 {
                    bits.skip(1)?; // Its sign.
                }
                // Each coefficient on the way that is not 0 gets a bit; those that are 0 are counted.
                while coefficient <= last {
                    if is_nonzero(*nonzero, coefficient) {
                        bits.skip(1)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    coefficient += 1;
                }
                if size > 0 {
                    mark(nonzero, coefficient);
                }
                coefficient += 1;
            }
        }
        if *run > 0 {
            let bits_of = (coefficient..=last).filter(|&c| is_nonzero(*nonzero, c)).count();
            for _ in 0..bits_of {
                bits.skip(1)?;
            }
            *run -= 1;
        }
        Ok(())
    }
}

/// The run length and the size in a symbol for coefficients other than the first.
fn run_and_size(symbol: u8) -> (u32, u32) {
    (u32::from(symbol >> 4), u32::from(symbol & 0xf))
}

fn mark(nonzero: &mut u64, coefficient: u32) {
    if coefficient < 64 {
        *nonzero |= 1 << coefficient;
    }
}
