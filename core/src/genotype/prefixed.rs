//! Genotypes over several lines of a log, each of which begins with a time, a level or a rank.

/// The greatest number of lines of a genotype in a log: one for every gene of the largest cells, and some
/// more.
const MOST_LINES: usize = 128;

/// The call that begins at this byte, without the prefix that a log put before each of its lines. `None` if
/// the call stands on one line, does not end, or its lines have no prefix in common with the line on which it
/// begins.
///
/// Prefixes may differ in numbers, such as times.
pub(super) fn without_prefixes(text: &str, at: usize) -> Option<String> {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let prefix = &text[line_start..at];
    let mut lines = Vec::new();
    let mut open = 0_i32;
    for (index, line) in text[at..].lines().take(MOST_LINES).enumerate() {
        open += balance(line);
        lines.push(line);
        if open <= 0 {
            return if index == 0 { None } else { joined(prefix, &lines) };
        }
    }
    None
}

/// The number of brackets that a line opens less those that it closes.
fn balance(line: &str) -> i32 {
    line.chars().map(|c| i32::from("([{".contains(c)) - i32::from(")]}".contains(c))).sum()
}

fn joined(prefix: &str, lines: &[&str]) -> Option<String> {
    let (first, others) = lines.split_first()?;
    let shared = others.iter().map(|line| alike(prefix, line)).min()?;
    if shared == 0 {
        return None;
    }
    let mut call = (*first).to_owned();
    for line in others {
        call.push('\n');
        call.push_str(after(line, shared));
    }
    Some(call)
}

/// Units in which prefixes are compared: a number, however many digits it has, or a character.
fn units(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut in_number = false;
    text.char_indices().filter_map(move |(at, c)| {
        let digit = c.is_ascii_digit();
        let continues = digit && in_number;
        in_number = digit;
        (!continues).then_some((at, if digit { '0' } else { c }))
    })
}

/// The number of units with which both texts begin.
fn alike(one: &str, other: &str) -> usize {
    units(one).zip(units(other)).take_while(|((_, a), (_, b))| a == b).count()
}

/// What follows after `count` units.
fn after(line: &str, count: usize) -> &str {
    units(line).nth(count).map_or("", |(at, _)| &line[at..])
}

#[cfg(test)]
mod tests {
    use super::super::{Genotype, GenotypeFormat};
    use crate::published;

    fn plain() -> (Genotype, String) {
        let genotype = published::genotype("DARTS_V2").expect("published");
        let text = genotype.format(GenotypeFormat::Darts);
        (
            genotype,
            text.replace("), (", "),\n(").replace("normal=", "\n  normal=").replace("reduce", "\nreduce"),
        )
    }

    fn logged(text: &str, prefix: impl Fn(usize) -> String) -> String {
        let lines: Vec<_> =
            text.trim_end().lines().enumerate().map(|(i, line)| format!("{}{line}", prefix(i))).collect();
        format!("{}starting\n{}\n{}done\n", prefix(0), lines.join("\n"), prefix(99))
    }

    #[test]
    fn what_a_log_puts_before_every_line_is_left_out() {
        let (genotype, text) = plain();
        let named = format!("best genotype = {text}");
        let coloured = text.replace("Genotype(", "\x1b[1mGenotype(").replace("'max_pool", "'\x1b[1mmax_pool");
        assert_eq!(Genotype::parse(&coloured), Ok(genotype.clone()), "{coloured}");
        for log in [
            logged(&text, |i| format!("2024-03-05 10:11:12,{} INFO ", 98 + i)),
            logged(&named, |i| format!("[rank0] 10:{i}:00 | ")),
            logged(&named, |i| format!("INFO:root:{} ", 9 + i)),
            logged(&named, |_| "> ".to_owned()),
            logged(&named, |i| format!("\x1b[32m10:11:{i:02}\x1b[0m | \x1b[1mINFO\x1b[0m | ")),
            // Brackets that do not close within the prefix of a line are not counted.
            logged(&named, |i| format!("[03/05 12:00:{i:02} search] (1/30): ")),
        ] {
            let chosen = Genotype::choose(&log, None).unwrap_or_else(|error| panic!("{error}\n{log}"));
            assert_eq!((chosen.genotype, chosen.line), (genotype.clone(), 2), "{log}");
        }
    }

    #[test]
    fn a_genotype_that_is_cut_or_wrong_is_refused_for_what_stands_there() {
        let (_, text) = plain();
        let log = logged(&text, |i| format!("10:11:{i} INFO "));
        let error = |text: &str| Genotype::parse(text).expect_err(text).to_string();
        let cut = &log[..log.len() / 2];
        assert_eq!(error(cut), "line 3, column 3: expected `,` or `)`, found `:11:1`");
        assert!(error(&log.replace("sep_conv_3x3", "sep_conv_4x4")).contains("line 3, column"));
    }
}
