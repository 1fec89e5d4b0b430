//! What a person can type after `arch`.

use clap::{
    Args, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use relativenas_core::network::NetworkKind;

const PUBLISHED: &str = "Published names: NASNet, AmoebaNet, DARTS_V1, DARTS_V2, RelativeNAS.";

#[derive(Debug, Args)]
#[command(after_help = PUBLISHED)]
pub struct ArchArguments {
    #[command(subcommand)]
    pub action: ArchAction,
}

#[derive(Debug, Args)]
pub struct Architecture {
    /// Published names, files with a genotype, an architecture vector or a string of NAS-Bench-201, `-`
    /// for standard input, or one of them written out
    #[arg(value_name = "ARCHITECTURE", required = true, num_args = 1.., allow_negative_numbers = true)]
    pub words: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum ArchAction {
    /// Print the genotype of an architecture, also of an architecture vector
    #[command(after_help = PUBLISHED)]
    Decode {
        #[command(flatten)]
        architecture: Architecture,
        #[arg(long, value_enum, default_value = "darts")]
        format: GenotypeText,
    },
    /// Show the cells of an architecture as text and in words
    #[command(after_help = PUBLISHED)]
    Show {
        #[command(flatten)]
        architecture: Architecture,
    },
    /// Count parameters and multiply-adds, without building the network
    #[command(after_help = PUBLISHED)]
    Cost {
        #[command(flatten)]
        architecture: Architecture,
        #[command(flatten)]
        shape: ShapeArguments,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say what is unusual about an architecture; exits with 1 if there is something
    #[command(after_help = PUBLISHED)]
    Lint {
        #[command(flatten)]
        architecture: Architecture,
    },
    /// Say in words what changes from one architecture to another; exits with 1 if they differ
    #[command(after_help = PUBLISHED)]
    Diff { before: String, after: String },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GenotypeText {
    Darts,
    Json,
    Toml,
}

#[derive(Debug, Args)]
pub struct ShapeArguments {
    /// Which images the network is built for
    #[arg(long, value_parser = kind(), default_value = "cifar")]
    pub kind: NetworkKind,
    /// Channels of a node in the first cells [default: 36 for cifar, 46 for imagenet]
    #[arg(long, value_name = "N")]
    pub channels: Option<usize>,
    /// Cells of the network [default: 20 for cifar, 14 for imagenet]
    #[arg(long, value_name = "N")]
    pub cells: Option<usize>,
    /// Classes to tell apart [default: 10 for cifar, 1000 for imagenet]
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
}

/// Parses the name of a kind of network.
pub fn kind() -> impl TypedValueParser<Value = NetworkKind> {
    let kinds = [NetworkKind::Cifar, NetworkKind::Imagenet];
    PossibleValuesParser::new(kinds.map(NetworkKind::name)).map(move |name| {
        let named = kinds.into_iter().find(|kind| kind.name() == name);
        named.expect("one of the possible values")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_published_architecture() {
        for name in relativenas_core::published::NAMES {
            assert!(PUBLISHED.contains(name), "{name}");
        }
    }
}
