use super::{super::decode_text, *};

const TEXT: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], normal_concat=range(2, 3), \
                    reduce=[('max_pool_3x3', 1), ('dil_conv_5x5', 0)], reduce_concat=[2])\n";

fn check(text: &str) {
    assert_eq!(Genotype::parse(text), Genotype::parse(TEXT), "{text}");
}

fn check_error(text: &str, message: &str) {
    assert_eq!(Genotype::parse(text).expect_err(text).to_string(), message);
}

#[test]
fn every_format_is_read_back() {
    let genotype = Genotype::parse(TEXT).expect("valid");
    for format in [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml] {
        let written = genotype.format(format);
        assert_eq!(Genotype::parse(&written).as_ref(), Ok(&genotype), "{written}");
    }
}

#[test]
fn python_assignments_comments_and_lists_are_read() {
    let text = format!("# found on Tuesday\nBest = {}", TEXT.replace("range(2, 3)", "[2]"));
    assert_eq!(Genotype::parse(&text), Genotype::parse(TEXT));
}

#[test]
fn literals_of_python_are_read_however_they_are_written() {
    check(&TEXT.replace("range(2, 3)", "list(range(2, 3))"));
    check(&TEXT.replace("range(2, 3)", "range(2, 3, 1)"));
    check(&TEXT.replace("range(2, 3)", "np.arange(2, 3)"));
    check(&TEXT.replace("range(2, 3)", "{2}"));
    check(&TEXT.replace("range(2, 3)", "(2,)"));
    check(&TEXT.replace("[2]", "tuple([np.int64(2)])"));
    check(&TEXT.replace("[2]", "array([2], dtype=int64)"));
    check(&TEXT.replace("('skip_connect', 1)", "(u'skip_connect', np.int64(1))"));
    check(&TEXT.replace("('skip_connect', 1)", "(b\"skip_connect\", tensor(1, device='cuda:0'))"));
    check(&TEXT.replace("('skip_connect', 1)", "('skip_' 'connect', 1L,)"));
    check(&TEXT.replace("('skip_connect', 1)", "(1, 'skip_connect')"));
    check(&TEXT.replace("reduce=", "\\\n  # the reduction cell\n  reduce="));
    check(&TEXT.replace("Genotype(", "best = cnn.genotypes.Genotype ("));
    check(
        &TEXT
            .replace("normal=", "")
            .replace("normal_concat=", "")
            .replace("reduce=", "")
            .replace("reduce_concat=", ""),
    );
    check(&format!("({})", TEXT.trim()));
}

#[test]
fn genes_may_stand_by_node_or_name_it() {
    let two_nodes = |genes: &str| {
        let text = format!(
            "Genotype(normal={genes}, normal_concat=[2, 3], reduce=[('none', 0), ('none', 1)], reduce_concat=[2])"
        );
        Genotype::parse(&text)
    };
    let plain = two_nodes("[('sep_conv_3x3', 0), ('skip_connect', 1), ('sep_conv_5x5', 2), ('none', 0)]");
    assert!(plain.is_ok(), "{plain:?}");
    for same in [
        "[[('sep_conv_3x3', 0), ('skip_connect', 1)], [('sep_conv_5x5', 2), ('none', 0)]]",
        "((('sep_conv_3x3', 0), ('skip_connect', 1)), (('sep_conv_5x5', 2), ('none', 0)))",
        // The node first, counted behind the inputs or from 0; the input first; not in order.
        "[('sep_conv_3x3', 2, 0), ('skip_connect', 2, 1), ('sep_conv_5x5', 3, 2), ('none', 3, 0)]",
        "[('sep_conv_3x3', 0, 2), ('skip_connect', 1, 2), ('sep_conv_5x5', 2, 3), ('none', 0, 3)]",
        "[('sep_conv_5x5', 3, 2), ('none', 3, 0), ('sep_conv_3x3', 2, 0), ('skip_connect', 2, 1)]",
    ] {
        assert_eq!(two_nodes(same), plain, "{same}");
    }
    let error = |genes: &str| two_nodes(genes).expect_err(genes).to_string();
    assert_eq!(
        error("[[('none', 0), ('none', 1), ('none', 0)], [('none', 0), ('none', 1)]]"),
        "normal cell: node 0 has 3 genes; this family of cells has two for every node"
    );
    assert!(error("[('none', 5, 0), ('none', 7, 1)]").contains("is its node and which its input"));
    assert!(error("[('none', 0), 7]").ends_with("such as ('sep_conv_3x3', 0), found 7"));
    assert!(error("[('none', -1), ('none', 0)]").ends_with("found a list of 2"));
    assert!(error("weights").ends_with("found `weights`"));
    let deep = "[".repeat(100_000);
    assert!(error(&deep).contains("expected fewer lists within lists"));
}

#[test]
fn a_log_gives_its_last_genotype_and_a_file_of_names_the_one_that_is_asked_for() {
    let other = TEXT.replace("sep_conv_3x3", "sep_conv_5x5");
    let log =
        format!("10:05:00 genotype = {other}10:05:01 valid_acc 50.0\n10:11:12,345 genotype = {TEXT}done\n");
    let chosen = Genotype::choose(&log, None).expect("two");
    assert_eq!((chosen.of, chosen.line, Ok(chosen.genotype)), (2, 3, Genotype::parse(TEXT)));
    let file = format!(
        "from collections import namedtuple\n\nGenotype = namedtuple('Genotype', 'normal normal_concat reduce')\n\n\
         # OLD = Genotype(normal=[])\nFIRST = {other}\nSECOND: Genotype = genotypes.{TEXT}\nBEST = SECOND  # of May\n"
    );
    for name in ["SECOND", "BEST"] {
        let chosen = Genotype::choose(&file, Some(name)).map(|chosen| chosen.genotype);
        assert_eq!(chosen, Genotype::parse(TEXT), "{name}");
    }
    check_error(&file, "there are several genotypes; choose one by its name, as in FILE:NAME: FIRST, SECOND");
    let missing = Genotype::choose(&file, Some("THIRD")).expect_err("no such name").to_string();
    assert_eq!(missing, "there is no genotype called `THIRD`; there are: FIRST, SECOND");
}

#[test]
fn dicts_and_what_holds_a_genotype_are_read() {
    let json = Genotype::parse(TEXT).expect("valid").format(GenotypeFormat::Json);
    check(&format!("{{\"epoch\": 3, \"genotype\": {}}}", json.trim()));
    check(&format!("{{\"genotype\": {}}}", serde_json::to_string(TEXT).expect("text")));
    check(&format!("{{\"epoch\": 3, \"mutation\": {{\"genotype\": {}}}}}", json.trim()));
    check_error(
        &format!("{{\"a\": {}, \"b\": {}}}", json.trim(), json.trim()),
        "`a` is unknown or occurs twice; a genotype has normal, normal_concat, reduce and reduce_concat",
    );
    check(&json.replace('"', "'").replace("['sep_conv_3x3',0]", "('sep_conv_3x3', 0)"));
    check_error(
        &json.replace("reduce_concat", "reduction_concat"),
        "`reduction_concat` is unknown or occurs \
        twice; a genotype has normal, normal_concat, reduce and reduce_concat",
    );
    let yaml = "# found in May\nepoch: 3\ngenotype:\n  normal:\n  - [sep_conv_3x3, 0]\n";
    check_error(
        yaml,
        "line 3: this is YAML, which is not read; in Python, `print(genotype)` and \
         `json.dump(yaml.safe_load(open(FILE)), sys.stdout)` write what can be read",
    );
    let tagged =
        Genotype::parse("!!python/object/new:genotypes.Genotype\n- - !!python/tuple\n    - none\n    - 0\n");
    assert!(tagged.expect_err("tags").to_string().starts_with("line 1: this is YAML"));
    check_error("{\"normal\": [}", "not a genotype in JSON: expected value at line 1 column 13");
    check_error("valid_acc 50.0\n", "line 1, column 1: expected `Genotype(`, found `valid_acc`");
}

#[test]
fn a_reduction_cell_cannot_put_out_its_inputs() {
    check_error(
        &TEXT.replace("reduce_concat=[2]", "reduce_concat=range(1, 3)"),
        "reduce_concat: a reduction cell cannot concatenate input 1, which has twice as many rows and columns as its \
         nodes; nodes begin at 2",
    );
    Genotype::parse(&TEXT.replace("normal_concat=range(2, 3)", "normal_concat=range(1, 3)"))
        .expect("equal sides");
}

#[test]
fn texts_of_windows_are_decoded() {
    let utf16: Vec<u8> = format!("\u{feff}{TEXT}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = format!("\u{feff}{TEXT}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [&utf16, &big, &format!("\u{feff}{TEXT}").into_bytes()] {
        assert_eq!(decode_text(bytes).as_deref(), Ok(TEXT));
    }
    let error = |bytes: &[u8]| decode_text(bytes).expect_err("refused").to_string();
    assert_eq!(error(&utf16[2..]), "the text is UTF-16 without a byte order mark; save it as UTF-8");
    assert_eq!(error(b"\x80\x02]q"), "the text is neither UTF-8 nor UTF-16; save it as UTF-8");
    assert_eq!(error(&utf16[..7]), "the text is damaged UTF-16; save it as UTF-8");
}

#[test]
fn wrong_genotypes_are_refused_by_name() {
    check_error(
        &TEXT.replace("max_pool_3x3", "max_pol_3x3"),
        "`max_pol_3x3` is not an operation; did you mean `max_pool_3x3`?",
    );
    check_error(
        &TEXT.replace("('skip_connect', 1)", "('skip_connect', 2)"),
        "normal cell, gene 1: node 0 may read inputs 0 to 1, not 2",
    );
    check_error(
        &TEXT.replace(", ('skip_connect', 1)", ""),
        "normal cell: 1 genes; every node needs two, so an even number from 2 to 40 is expected",
    );
    check_error(
        &TEXT.replace("reduce=[('max", "\n  redux=[('max"),
        "line 2, column 3: expected `normal`, `normal_concat`, `reduce` or `reduce_concat`, each once, \
         found `redux=[('max_pool_3x3',`",
    );
    check_error(
        &TEXT.replace("normal_concat=range(2, 3)", "normal_concat=range(18446744073709551615, 3)"),
        "normal_concat is empty; a cell must concatenate at least one node",
    );
    check_error("", "line 1, column 1: expected `Genotype(`, found the end");
    check_error(
        &TEXT.replace("reduce_concat=[2]", "reduce_concat=[9]"),
        "reduce_concat: 9 is no node or input of this cell (0 to 2), or occurs twice",
    );
}
