//! Parsing an annotation file of Pascal VOC.

use relativenas_core::tasks::boxes::CornerBox;
use roxmltree::{Document, Node, ParsingOptions};

use super::VocObject;

/// The greatest number of XML nodes that is accepted.
const MOST_NODES: u32 = 1 << 20;

/// The content of an annotation.
#[derive(Debug)]
pub(super) struct Annotation {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) objects: Vec<VocObject>,
    /// The number of objects of other classes.
    pub(super) left_out: usize,
}

/// Parses an annotation; the error lists what is wrong, object by object.
pub(super) fn parse(text: &str, classes: &[String]) -> Result<Annotation, Vec<String>> {
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| vec![format!("it is no whole XML file: {error}")])?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        return Err(vec![format!("it begins with `{}`, not with `annotation`", root.tag_name().name())]);
    }
    let size = child(root, "size").ok_or_else(|| vec!["it has no `size`".to_owned()])?;
    let side = |name: &str| match number(size, name) {
        Ok(side) if side >= 1.0 && side.fract() == 0.0 && side < 1e9 => Ok(side as usize),
        Ok(side) => Err(vec![format!("its {name} is {side}; it has to be a whole number of pixels")]),
        Err(problem) => Err(vec![format!("size: {problem}")]),
    };
    let (width, height) = (side("width")?, side("height")?);
    let (mut objects, mut left_out, mut problems) = (Vec::new(), 0, Vec::new());
    for (index, node) in root.children().filter(|node| node.has_tag_name("object")).enumerate() {
        let Some(name) = child(node, "name").and_then(|name| name.text()).map(str::trim) else {
            problems.push(format!("object {} has no name", index + 1));
            continue;
        };
        match object(node, [width, height]) {
            Err(problem) => problems.push(format!("object {} ({name}): {problem}", index + 1)),
            Ok((corners, difficult, truncated)) => match classes.iter().position(|class| class == name) {
                Some(class) => objects.push(VocObject { class, corners, difficult, truncated }),
                None => left_out += 1,
            },
        }
    }
    if problems.is_empty() { Ok(Annotation { width, height, objects, left_out }) } else { Err(problems) }
}

/// The box of an object, and whether the object is marked difficult and truncated.
fn object(node: Node<'_, '_>, [width, height]: [usize; 2]) -> Result<(CornerBox, bool, bool), String> {
    // Only a child counts, because parts of the object have boxes of their own.
    let corners = child(node, "bndbox").ok_or("it has no `bndbox`")?;
    let [left, top, right, bottom] = ["xmin", "ymin", "xmax", "ymax"].map(|name| number(corners, name));
    let (left, top, right, bottom) = (left?, top?, right?, bottom?);
    let written = format!("its box ({left}, {top}) to ({right}, {bottom})");
    if right < left || bottom < top {
        return Err(format!("{written} is inverted: xmin has to be below xmax, and ymin below ymax"));
    }
    if right == left || bottom == top {
        return Err(format!("{written} is empty"));
    }
    if left < 1.0 || top < 1.0 || right > width as f64 || bottom > height as f64 {
        return Err(format!(
            "{written} lies outside the picture, whose pixels go from 1 to {width} and {height}"
        ));
    }
    let corners = CornerBox { left: left - 1.0, top: top - 1.0, right: right - 1.0, bottom: bottom - 1.0 };
    Ok((corners, flag(node, "difficult")?, flag(node, "truncated")?))
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn number(node: Node<'_, '_>, name: &str) -> Result<f64, String> {
    let text = child(node, name).and_then(|n| n.text()).ok_or_else(|| format!("it has no `{name}`"))?.trim();
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{name}` is `{text}`, which is no number"))
}

/// Whether a flag is set; a flag that is missing is not set.
fn flag(node: Node<'_, '_>, name: &str) -> Result<bool, String> {
    match child(node, name).and_then(|n| n.text()).map(str::trim) {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(format!("`{name}` is `{other}`; it has to be 0 or 1")),
    }
}
