//! Finding photographs that cannot be read before a training begins, and refusing them together or leaving
//! them out.

use std::{
    collections::BTreeSet,
    panic,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::EncodedImages;
use crate::data::{DataError, faults::Faults};

/// The index of a photograph in its part, and what is wrong with it.
pub(in crate::data) type Fault = (usize, DataError);

impl EncodedImages {
    /// Reads every image, so that those that cannot be decoded are found before a training begins. Returns
    /// early once `leave` returns true.
    ///
    /// # Errors
    /// If images cannot be read or decoded; the error names all of them.
    pub fn survey(&self, threads: usize, leave: &(dyn Fn() -> bool + Sync)) -> Result<(), DataError> {
        refuse(self.faults(threads, leave), &self.folder)
    }

    /// Every image that cannot be read or decoded, in order.
    pub(in crate::data) fn faults(&self, threads: usize, leave: &(dyn Fn() -> bool + Sync)) -> Vec<Fault> {
        let next = AtomicUsize::new(0);
        let look = || {
            let mut faults = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= self.len() || leave() {
                    return faults;
                }
                if let Err(fault) = self.check(index) {
                    faults.push((index, fault));
                }
            }
        };
        let mut found: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(look)).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
            };
            workers.into_iter().flat_map(join).collect()
        });
        found.sort_by_key(|(index, _)| *index);
        found
    }
}

/// The photographs that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Indices in the part of training images.
    pub train: BTreeSet<usize>,
    /// Indices in the part of validation images.
    pub valid: BTreeSet<usize>,
    /// A sentence for each photograph.
    pub notes: Vec<String>,
}

/// Reads every image of both parts; up to `allowed` of them may be faulty.
///
/// # Errors
/// If more images than allowed cannot be read or decoded; the error names all of them.
pub fn survey_parts(
    train: &EncodedImages,
    valid: &EncodedImages,
    allowed: usize,
    threads: usize,
    leave: &(dyn Fn() -> bool + Sync),
) -> Result<Skipped, DataError> {
    skip([train, valid], allowed, |part| Ok((part.faults(threads, leave), ()))).map(|(skipped, _)| skipped)
}

/// The images to leave out of both parts, and the result of `look` for each part.
///
/// # Errors
/// If `look` fails, or finds more than `allowed` faulty images.
pub(super) fn skip<T>(
    [train, valid]: [&EncodedImages; 2],
    allowed: usize,
    look: impl Fn(&EncodedImages) -> Result<(Vec<Fault>, T), DataError>,
) -> Result<(Skipped, [T; 2]), DataError> {
    let (of_train, first) = look(train)?;
    if allowed == 0 {
        refuse(of_train, &train.folder)?;
        let (of_valid, second) = look(valid)?;
        refuse(of_valid, &valid.folder)?;
        return Ok((Skipped::default(), [first, second]));
    }
    let (of_valid, second) = look(valid)?;
    let total = of_train.len() + of_valid.len();
    if total > allowed {
        let both = train.folder.parent().unwrap_or(&train.folder);
        let faults = refuse(of_train.into_iter().chain(of_valid), both).err().map(Box::new);
        return Err(DataError::TooManyFaulty { allowed, total, faults });
    }
    let notes = of_train.iter().chain(&of_valid).map(|(_, fault)| format!("left out: {fault}")).collect();
    let places = |faults: Vec<Fault>| faults.into_iter().map(|(index, _)| index).collect();
    Ok((Skipped { train: places(of_train), valid: places(of_valid), notes }, [first, second]))
}

/// Returns an error with all faults, if there are any.
fn refuse(found: impl IntoIterator<Item = Fault>, folder: &Path) -> Result<(), DataError> {
    let mut faults = Faults::default();
    found.into_iter().for_each(|(_, fault)| faults.add(fault));
    faults.into_result(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{Options, open, open_encoded, open_with, samples::copy_of_photographs};

    /// The sample data set, with these photographs damaged.
    fn damaged(names: &[&str]) -> tempfile::TempDir {
        let folder = copy_of_photographs();
        for name in names {
            fs::write(folder.path().join(name), b"nothing").expect("written");
        }
        folder
    }

    #[test]
    fn so_many_faulty_photographs_are_left_out_and_named() {
        let folder = damaged(&["train/cat/0003.jpg", "val/bird/0032.jpg"]);
        let options = Options { skip_faulty: 2, ..Options::default() };
        let data = open_with(Some(folder.path()), &options).expect("two are allowed");
        let whole = open(Some(damaged(&[]).path())).expect("the sample");
        assert_eq!((data.train.len(), data.test.len()), (whole.train.len() - 1, whole.test.len() - 1));
        let named = |name: &str| {
            data.notes.iter().any(|note| note.starts_with("left out: image `") && note.contains(name))
        };
        assert!(named("train/cat/0003.jpg") && named("val/bird/0032.jpg"), "{:?}", data.notes);
        // The other images are unchanged, in their order.
        let stride = whole.train.stride();
        let gone = (0..whole.train.len())
            .find(|index| {
                data.train.pixels.get(index * stride..(index + 1) * stride) != Some(whole.train.image(*index))
            })
            .expect("one is gone");
        assert_eq!(data.train.pixels[gone * stride..], whole.train.pixels[(gone + 1) * stride..]);
    }

    #[test]
    fn a_survey_says_which_are_gone_on_without_whatever_the_number_of_threads() {
        let folder = damaged(&["train/cat/0003.jpg", "val/bird/0032.jpg"]);
        let data = open_encoded(folder.path()).expect("names are whole");
        let survey =
            |threads| survey_parts(&data.train, &data.valid, 2, threads, &|| false).expect("allowed");
        let found = survey(1);
        assert_eq!(found, survey(4));
        let names: Vec<_> = found.train.iter().map(|&index| data.train.name(index)).collect();
        assert_eq!((names, found.valid.len(), found.notes.len()), (vec!["cat/0003.jpg"], 1, 2));
    }

    #[test]
    fn one_more_than_allowed_is_refused_with_the_list_of_all() {
        let folder = damaged(&["train/cat/0003.jpg", "val/bird/0032.jpg"]);
        let options = Options { skip_faulty: 1, ..Options::default() };
        let decoded = open_with(Some(folder.path()), &options).expect_err("one too many").to_string();
        let data = open_encoded(folder.path()).expect("names are whole");
        let surveyed =
            survey_parts(&data.train, &data.valid, 1, 2, &|| false).expect_err("likewise").to_string();
        assert_eq!(decoded, surveyed);
        assert!(decoded.contains("train/cat/0003.jpg") && decoded.contains("val/bird/0032.jpg"), "{decoded}");
        assert!(decoded.ends_with("\n2 photographs are faulty, and --skip-faulty 1 allows for fewer: repair them, or allow for 2"), "{decoded}");
    }
}
