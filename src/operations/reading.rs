//! Reading an architecture that was typed: as a name, a file, `-`, or written out.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use anyhow::Result;
use relativenas_core::{
    genotype::{Genotype, decode_text},
    published, tabular,
};

use crate::{failure::misuse, written::thousands};

/// The length of the longest genotype that is read, in bytes; a longer file was named by mistake.
const LONGEST: u64 = 1 << 20;

/// An architecture of either space.
#[derive(Clone, Debug, PartialEq)]
pub enum Architecture {
    Cells(Genotype),
    /// An architecture of NAS-Bench-201: for every edge the index of its operation.
    Edges([usize; tabular::EDGES]),
}

/// Reads everything that was typed, and returns each architecture with the text it was read from. Several
/// words are one architecture each if each can be read, else all of them together (a genotype or a vector
/// without quotes).
///
/// # Errors
/// If something is no architecture; exit code 2.
pub fn read_words(words: &[String]) -> Result<Vec<(String, Architecture)>> {
    let joined = words.join(" ");
    let read = |word: &String| Ok((word.clone(), read_any(word)?));
    let each: Result<Vec<_>> = words.iter().map(read).collect();
    // A single word is not read again: it may name a pipe.
    if each.is_ok() || words.len() == 1 {
        return each;
    }
    let whole = match read_any(&joined) {
        Ok(architecture) => return Ok(vec![(joined, architecture)]),
        Err(error) => error,
    };
    if is_vector(&joined) {
        return Err(whole);
    }
    // If the words are parts of one genotype, the error is about the whole.
    each.map_err(|error| if is_written_out(&joined) && read_any(&words[0]).is_err() { whole } else { error })
}

/// Reads an architecture that has cells: a published name, a file, `-`, a genotype, or a vector.
///
/// # Errors
/// If it is none of those; exit code 2.
pub fn read(typed: &str) -> Result<Genotype> {
    cells(typed, read_any(typed)?)
}

/// As [`read`], but without a note on standard error, because a screen uses the terminal.
///
/// # Errors
/// As [`read`].
pub fn read_quietly(typed: &str) -> Result<Genotype> {
    cells(typed, read_noting(typed, &mut |_| ())?)
}

fn cells(typed: &str, architecture: Architecture) -> Result<Genotype> {
    match architecture {
        Architecture::Cells(genotype) => Ok(genotype),
        Architecture::Edges(_) => Err(misuse(format!(
            "{}: an architecture of NAS-Bench-201 has edges, but a genotype with cells is needed here",
            typed.trim()
        ))),
    }
}

/// Reads an architecture of either space; says on standard error which one of several was taken.
///
/// # Errors
/// As [`read`].
pub fn read_any(typed: &str) -> Result<Architecture> {
    read_noting(typed, &mut |note| eprintln!("relativenas: {note}"))
}

fn read_noting(typed: &str, note: &mut dyn FnMut(String)) -> Result<Architecture> {
    if let Some(genotype) = published::genotype(typed).filter(|_| !Path::new(typed).is_file()) {
        return Ok(Architecture::Cells(genotype));
    }
    if typed == "-" {
        let text = limited("standard input", io::stdin())?;
        return parse("standard input", &text, None, note);
    }
    // A file is read as a file, even if its name is also that of a genotype.
    if let Ok(found) = fs::metadata(typed)
        && !found.is_dir()
    {
        return parse(typed, &read_file(Path::new(typed))?, None, note);
    }
    if is_written_out(typed) || is_vector(typed) {
        return parse("the architecture", typed, None, note);
    }
    if let Some((file, name)) = typed.rsplit_once(':')
        && Path::new(file).is_file()
    {
        return parse(file, &read_file(Path::new(file))?, Some(name), note);
    }
    match fs::metadata(typed) {
        Ok(_) => Err(misuse(format!("{typed}: a folder, and no file with a genotype"))),
        // A word without a dot or slash is probably a misspelled name, not a file.
        Err(_) if !typed.contains(['/', '.']) => {
            let unknown = published::find(typed).expect_err("looked up above");
            let hint = match unknown.nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("there are {}", published::NAMES.join(", ")),
            };
            Err(misuse(format!("`{typed}` is neither a published genotype nor a file; {hint}")))
        }
        Err(e) => Err(misuse(format!("{typed}: cannot be read: {e}"))),
    }
}

fn read_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let file = fs::File::open(path).map_err(|e| misuse(format!("{shown}: cannot be read: {e}")))?;
    limited(&shown.to_string(), file)
}

/// Reads a text of at most [`LONGEST`] bytes: a device or a pipe may never end.
fn limited(name: &str, source: impl io::Read) -> Result<String> {
    let mut bytes = Vec::new();
    source
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| misuse(format!("{name}: cannot be read: {e}")))?;
    if bytes.len() as u64 > LONGEST {
        return Err(misuse(format!(
            "{name}: it is too long for a genotype, with more than {} bytes",
            thousands(LONGEST)
        )));
    }
    decode_text(&bytes).map_err(|e| misuse(format!("{name}: {e}")))
}

/// Whether a text begins as an architecture does, so that it names no file.
fn is_written_out(text: &str) -> bool {
    text.contains('(') || text.trim_start().starts_with(['{', '[', '|'])
}

/// Whether a text is made of numbers alone.
fn is_vector(text: &str) -> bool {
    let mut words = vector_words(text).peekable();
    words.peek().is_some() && words.all(|w| w.parse::<f64>().is_ok())
}

fn vector_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || ",;[]()".contains(c)).filter(|w| !w.is_empty())
}

/// Reads an architecture in any of its forms; `name` is what errors call it.
fn parse(name: &str, text: &str, chosen: Option<&str>, note: &mut dyn FnMut(String)) -> Result<Architecture> {
    if is_vector(text) {
        let position: Vec<f64> = vector_words(text).filter_map(|w| w.parse().ok()).collect();
        let genotype = Genotype::decode(&position).map_err(|e| misuse(format!("{name}: {e}")))?;
        return Ok(Architecture::Cells(genotype));
    }
    if let Some(edges) = edges_in(text) {
        let known = tabular::parse_architecture(&edges).ok_or_else(|| {
            let example = tabular::architecture(&[0; tabular::EDGES]);
            misuse(format!("{name}: no architecture of NAS-Bench-201, which looks like {example}"))
        })?;
        return Ok(Architecture::Edges(known));
    }
    let found = Genotype::choose(text, chosen).map_err(|e| misuse(format!("{name}: {e}")))?;
    if found.of > 1 && chosen.is_none() {
        note(format!("{name}: took the last of its {} genotypes, of line {}", found.of, found.line));
    }
    Ok(Architecture::Cells(found.genotype))
}

/// The string of NAS-Bench-201 that a text is, or holds in the JSON that `export` writes.
fn edges_in(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('|') {
        return Some(text.to_owned());
    }
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(json.get("architecture")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use relativenas_core::genotype::GenotypeFormat;

    use super::*;

    const EDGES: &str =
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|skip_connect~1|nor_conv_3x3~2|";

    fn error(typed: &str) -> String {
        read_any(typed).expect_err(typed).to_string()
    }

    fn words(typed: &[&str]) -> Result<Vec<(String, Architecture)>> {
        read_words(&typed.iter().map(|&w| w.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_form_of_an_architecture_is_read() {
        let genotype = published::genotype("RelativeNAS").expect("published");
        let vector: Vec<_> = genotype.encode().expect("in the space").iter().map(f64::to_string).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("found.toml");
        fs::write(&file, genotype.format(GenotypeFormat::Toml)).expect("written");
        for typed in [
            "relativenas".to_owned(),
            vector.join(" "),
            format!("[{}]", vector.join(", ")),
            genotype.format(GenotypeFormat::Darts),
            genotype.format(GenotypeFormat::Json),
            file.display().to_string(),
        ] {
            assert_eq!(read(&typed).expect(&typed), genotype, "{typed}");
        }
    }

    #[test]
    fn an_architecture_of_the_table_is_read_as_it_is_exported() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("nb.txt");
        fs::write(&file, format!("{EDGES}\n")).expect("written");
        let json = format!("{{\"space\":\"nas-bench-201\",\"architecture\":\"{EDGES}\"}}");
        for typed in [EDGES, &json, file.to_str().expect("text")] {
            assert_eq!(read_any(typed).expect(typed), Architecture::Edges([4, 2, 1, 0, 1, 3]), "{typed}");
        }
        assert_eq!(
            error("|none~1|"),
            "the architecture: no architecture of NAS-Bench-201, which looks like \
             |none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
        );
        let refused = read(EDGES).expect_err("no cells").to_string();
        assert!(refused.ends_with("has edges, but a genotype with cells is needed here"), "{refused}");
    }

    #[test]
    fn a_file_is_read_whatever_it_is_called_and_one_of_several_by_its_name() {
        let [first, second] =
            ["DARTS_V1", "DARTS_V2"].map(|name| published::genotype(name).expect("published"));
        let [one, two] = [&first, &second].map(|genotype| genotype.format(GenotypeFormat::Darts));
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        for name in ["winner (1).txt", "[best].txt", "{a}", "1 2"] {
            assert_eq!(read(&write(name, &one)).expect(name), first, "{name}");
        }
        let several = write("genotypes.py", &format!("ONE = {one}TWO = {two}"));
        assert_eq!(read(&format!("{several}:TWO")).expect("by name"), second);
        assert!(error(&several).ends_with("choose one by its name, as in FILE:NAME: ONE, TWO"));
        assert!(
            error(&format!("{several}:THREE")).ends_with("no genotype called `THREE`; there are: ONE, TWO")
        );
        let mut notes = Vec::new();
        let log = write("log.txt", &format!("10:05 genotype = {one}10:06 genotype = {two}"));
        let last = read_noting(&log, &mut |note| notes.push(note)).expect("a log");
        assert_eq!(last, Architecture::Cells(second));
        assert_eq!(notes, [format!("{log}: took the last of its 2 genotypes, of line 2")]);
        let endless = limited("pipe", io::repeat(b'#')).expect_err("endless").to_string();
        assert_eq!(endless, "pipe: it is too long for a genotype, with more than 1,048,576 bytes");
    }

    #[test]
    fn several_words_are_one_architecture_or_several() {
        let genotype = published::genotype("DARTS_V1").expect("published");
        let written = genotype.format(GenotypeFormat::Darts);
        let apart: Vec<_> = written.split_whitespace().collect();
        assert_eq!(words(&apart).expect("joined").len(), 1);
        let several = words(&["DARTS_V1", written.trim(), "nasnet"]).expect("each on its own");
        let names: Vec<_> = several.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["DARTS_V1", written.trim(), "nasnet"]);
        assert_eq!(several[0].1, several[1].1);
        let error = |typed: &[&str]| words(typed).expect_err("refused").to_string();
        assert_eq!(
            error(&["1", "2"]),
            "the architecture: an architecture vector of this space has 32 numbers, not 2"
        );
        assert!(error(&["DARTS_V1", "darts_v3"]).starts_with("`darts_v3` is neither"));
        assert!(error(&apart[..2]).starts_with("the architecture: "), "it is quoted as a whole");
    }

    #[test]
    fn what_is_no_architecture_is_refused_with_the_way_out() {
        assert_eq!(
            error("darts_v3"),
            "`darts_v3` is neither a published genotype nor a file; did you mean `DARTS_V1`?"
        );
        assert_eq!(
            error("nothing-like-it"),
            "`nothing-like-it` is neither a published genotype nor a file; there are NASNet, AmoebaNet, DARTS_V1, \
             DARTS_V2, RelativeNAS"
        );
        assert_eq!(
            error("1 2 3"),
            "the architecture: an architecture vector of this space has 32 numbers, not 3"
        );
        let long = ["9"; 32].join(",");
        assert_eq!(error(&long), "the architecture: gene 0 (N0in) is 9; it must lie between 0 and 2");
        assert_eq!(
            error("./none.json"),
            "./none.json: cannot be read: No such file or directory (os error 2)"
        );
    }
}
