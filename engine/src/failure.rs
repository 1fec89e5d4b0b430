//! Error messages for a person: an error of libtorch in one line, without the frames of C++ that it appends.

/// The beginning of libtorch's errors, as tch passes them on.
const TORCH: &str = "Internal torch error: ";
/// The advice that is given when memory runs out.
const LESS_MEMORY: &str = "smaller batches (`--batch`, or the settings `training.batch` and `retrain.batch`), fewer \
                           channels, or a device with more memory help";

/// An error and its causes in one text. A cause that the text before already contains is left out.
pub fn explain(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let part = without_frames(&cause.to_string());
        if !parts.iter().any(|said| said.ends_with(&part)) {
            parts.push(part);
        }
    }
    parts.join(": ")
}

/// Shortens an error of libtorch in a text to its first line. Where memory ran out, the text says how much
/// was asked for and what helps.
pub fn without_frames(text: &str) -> String {
    let Some((before, said)) = text.split_once(TORCH) else { return text.to_owned() };
    let mut lines = said.lines();
    let first = lines.find(|line| !line.trim().is_empty()).unwrap_or("libtorch gives no reason").trim();
    // The text behind the frames is this program's own again.
    let after = match said.rfind("\nframe #") {
        Some(last) => said[last + 1..].split_once('\n').map_or("", |(_, after)| after.trim()),
        None => "",
    };
    format!("{before}{}{after}", out_of_memory(first).unwrap_or_else(|| first.to_owned()))
}

/// A message about memory that ran out, if the line is one of libtorch's allocators of main memory or of
/// CUDA.
fn out_of_memory(line: &str) -> Option<String> {
    let of_cuda = line.contains("CUDA") && line.contains("out of memory");
    if !of_cuda && !line.contains("can't allocate memory") {
        return None;
    }
    let between = |start: &str, end: &str| {
        let (_, rest) = line.split_once(start)?;
        rest.split_once(end).map(|(found, _)| found)
    };
    let asked = between("ried to allocate ", ". ").map(|asked| format!(": {} were asked for", sized(asked)));
    let free = between("of which ", " is free").map(|free| format!(", {free} are free"));
    let device = if of_cuda { "the CUDA device" } else { "this machine" };
    let (asked, free) = (asked.unwrap_or_default(), free.unwrap_or_default());
    Some(format!("out of memory on {device}{asked}{free}; {LESS_MEMORY}"))
}

/// A number of bytes in larger units.
fn sized(asked: &str) -> String {
    let bytes = asked.strip_suffix(" bytes").and_then(|bytes| bytes.parse::<u64>().ok());
    match bytes {
        Some(bytes) if bytes >= 1 << 30 => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
        Some(bytes) if bytes >= 1 << 20 => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => asked.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn an_error_of_libtorch_is_its_first_line() {
        let matrix = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        let error = matrix.f_matmul(&matrix).unwrap_err();
        assert!(error.to_string().contains("frame #"), "libtorch appends frames: {error}");
        let said = explain(&anyhow::Error::from(error).context("training"));
        assert!(
            said.starts_with("training: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    #[test]
    fn main_memory_that_runs_out_says_what_was_asked_for() {
        // A size beyond the address space: a smaller one that merely exceeds this machine's memory may be
        // granted all the same.
        let error = Tensor::f_zeros([1 << 56], (Kind::Float, Device::Cpu)).unwrap_err();
        let said = explain(&error.into());
        let expected =
            format!("out of memory on this machine: 268435456.0 GiB were asked for; {LESS_MEMORY}");
        assert_eq!(said, expected);
    }

    #[test]
    fn memory_of_a_device_that_runs_out_says_how_much_is_free() {
        let error = "cuda:0 cannot be used: Internal torch error: CUDA out of memory. Tried to allocate 20.50 MiB. GPU 0 \
             has a total capacity of 79.11 GiB of which 3.25 MiB is free. Process 1 has …\nException raised from \
             malloc at x.cpp:1 (most recent call first):\nframe #0: a\nframe #1: b\n; use `cpu`";
        assert_eq!(
            without_frames(error),
            format!(
                "cuda:0 cannot be used: out of memory on the CUDA device: 20.50 MiB were asked for, 3.25 MiB are \
                 free; {LESS_MEMORY}; use `cpu`"
            )
        );
    }

    #[test]
    fn causes_are_said_once_and_lists_stay_whole() {
        let error = Err::<(), _>(anyhow!("a list\nmissing: b")).context("`x`").unwrap_err();
        assert_eq!(explain(&error), "`x`: a list\nmissing: b");
        let repeated = anyhow!("disk full").context("cannot write `x`: disk full");
        assert_eq!(explain(&repeated), "cannot write `x`: disk full");
    }
}
