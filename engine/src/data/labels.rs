//! Notes about what is odd about the labels of a data set.

/// The number of classes that a note names, among those that never occur.
const NAMED: usize = 5;

/// A sentence about classes that never occur among the training images, if there are any.
pub(super) fn note(
    data_set: &str,
    classes: &[String],
    labels: impl IntoIterator<Item = u16>,
) -> Option<String> {
    let mut occurs = vec![false; classes.len()];
    for label in labels {
        if let Some(occurs) = occurs.get_mut(usize::from(label)) {
            *occurs = true;
        }
    }
    let absent: Vec<_> = (0..classes.len()).filter(|&class| !occurs[class]).collect();
    if absent == [0] && classes.len() > 1 {
        return Some(format!(
            "{data_set}: labels begin at 1, so class 0 (`{}`) never occurs among the training images; the \
             network has a score for it all the same",
            classes[0]
        ));
    }
    let named: Vec<_> = absent.iter().take(NAMED).map(|&class| format!("`{}`", classes[class])).collect();
    let named = named.join(", ");
    match absent.len() {
        0 => None,
        1 => Some(format!("{data_set}: class {named} never occurs among the training images")),
        all @ 2..=NAMED => Some(format!(
            "{data_set}: {all} of {} classes never occur among the training images: {named}",
            classes.len()
        )),
        all => Some(format!(
            "{data_set}: {all} of {} classes never occur among the training images: {named} and {} more",
            classes.len(),
            all - NAMED
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_never_occur_are_named() {
        let check = |classes: usize, labels: &[u16], expected: Option<&str>| {
            let classes: Vec<_> = (0..classes).map(|class| class.to_string()).collect();
            assert_eq!(note("A", &classes, labels.iter().copied()).as_deref(), expected);
        };
        check(3, &[0, 2, 1, 1], None);
        check(
            3,
            &[2, 1],
            Some(
                "A: labels begin at 1, so class 0 (`0`) never occurs among the training images; the network has \
                 a score for it all the same",
            ),
        );
        check(3, &[0, 1], Some("A: class `2` never occurs among the training images"));
        check(3, &[1], Some("A: 2 of 3 classes never occur among the training images: `0`, `2`"));
        check(
            9,
            &[0],
            Some(
                "A: 8 of 9 classes never occur among the training images: `1`, `2`, `3`, `4`, `5` and 3 more",
            ),
        );
    }
}
