//! Cityscapes: the label ids in its annotations, and the nineteen classes that are trained.

use super::mean_iou::IGNORED;

/// The number of classes that are trained.
pub const CLASSES: usize = 19;

/// For each label id its name and its training id, which is [`IGNORED`] for labels that are not trained.
pub const IDS: [(&str, u8); 34] = [
    ("unlabeled", IGNORED),
    ("ego vehicle", IGNORED),
    ("rectification border", IGNORED),
    ("out of roi", IGNORED),
    ("static", IGNORED),
    ("dynamic", IGNORED),
    ("ground", IGNORED),
    ("road", 0),
    ("sidewalk", 1),
    ("parking", IGNORED),
    ("rail track", IGNORED),
    ("building", 2),
    ("wall", 3),
    ("fence", 4),
    ("guard rail", IGNORED),
    ("bridge", IGNORED),
    ("tunnel", IGNORED),
    ("pole", 5),
    ("polegroup", IGNORED),
    ("traffic light", 6),
    ("traffic sign", 7),
    ("vegetation", 8),
    ("terrain", 9),
    ("sky", 10),
    ("person", 11),
    ("rider", 12),
    ("car", 13),
    ("truck", 14),
    ("bus", 15),
    ("caravan", IGNORED),
    ("trailer", IGNORED),
    ("train", 16),
    ("motorcycle", 17),
    ("bicycle", 18),
];

/// The training id of a label id; `None` if there is no such id. 255, which pictures of older tools
/// hold for the licence plate (−1), is ignored.
pub fn train_id(id: u8) -> Option<u8> {
    if id == IGNORED { Some(IGNORED) } else { IDS.get(usize::from(id)).map(|(_, train)| *train) }
}

/// Names of the trained classes, by training id.
pub fn class_names() -> Vec<&'static str> {
    IDS.iter().filter(|(_, train)| *train != IGNORED).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_ids_count_from_zero_in_the_order_of_the_ids() {
        let trained: Vec<_> = IDS.iter().map(|(_, train)| *train).filter(|&t| t != IGNORED).collect();
        assert_eq!(trained, (0..CLASSES as u8).collect::<Vec<_>>());
        assert_eq!((class_names().len(), class_names()[13]), (CLASSES, "car"));
        assert_eq!(
            (train_id(26), train_id(29), train_id(34), train_id(255)),
            (Some(13), Some(255), None, Some(255))
        );
    }
}
