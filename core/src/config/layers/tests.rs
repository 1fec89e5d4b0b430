use std::collections::BTreeMap;

use super::*;
use crate::tasks::Task;

fn check_error(text: &str, message: &str) {
    let mut layers = Layers::built_in();
    let error = layers.add_file("my.toml", text).and_then(|()| layers.config().map(|_| ()));
    assert_eq!(error.expect_err(text).to_string(), message);
}

#[test]
fn the_embedded_file_is_a_whole_configuration() {
    let config = Layers::built_in().config().expect("valid");
    assert_eq!(config.search.population, 20);
    // Deserialising needs every field of the structs in the file, and serialising back gives no key that
    // the file lacks.
    let back = toml::Table::try_from(&config).expect("plain data");
    for (key, setting) in Layers::built_in().settings() {
        let (section, name) = key.split_once('.').expect("in a section");
        assert_eq!(back[section].get(name), Some(&setting.value), "{key}");
    }
}

#[test]
fn every_preset_is_a_valid_configuration() {
    let presets: Vec<_> = Layers::built_in().presets().map(str::to_owned).collect();
    assert!(presets.contains(&"quick".to_owned()) && presets.contains(&"paper".to_owned()));
    for preset in presets {
        let mut layers = Layers::built_in();
        layers.add_preset(&preset).expect("known");
        layers.config().expect("valid");
    }
}

#[test]
fn later_layers_win_and_are_remembered() {
    let mut layers = Layers::built_in();
    layers.add_file("a.toml", "[search]\nseed = 2\ngenerations = 3\n").expect("valid");
    layers.add_environment([("RELATIVENAS_SEARCH__SEED".into(), "3".into())]).expect("valid");
    layers.add_preset("quick").expect("known");
    layers.add_assignment("training.learning_rate = 1").expect("valid");
    layers.add_flag("--seed", "search.seed", "5").expect("valid");
    let config = layers.config().expect("valid");
    assert_eq!((config.search.seed, config.search.generations), (5, 10));
    assert_eq!(config.training.learning_rate, 1.0);
    let origins: BTreeMap<_, _> = layers.settings().map(|(k, s)| (k, s.origin.to_string())).collect();
    assert_eq!(origins["search.seed"], "--seed 5");
    assert_eq!(origins["search.generations"], "preset quick");
    assert_eq!(origins["training.learning_rate"], "--set training.learning_rate = 1");
    assert_eq!(origins["data.path"], "built in");
}

#[test]
fn finals_of_a_preset_are_none_where_a_table_answers() {
    let mut layers = Layers::built_in();
    layers.add_preset("quick").expect("known");
    assert_eq!(layers.config().expect("valid").finals.architectures, 4);
    layers.add_assignment("search.space=nas-bench-201").expect("valid");
    assert_eq!(layers.config().expect("valid").finals.architectures, 0);
    layers.add_assignment("finals.architectures=4").expect("valid");
    layers.config().expect_err("asked for by name");
}

#[test]
fn mistakes_name_the_file_the_line_and_the_way_out() {
    check_error(
        "[search]\n\npopulaton = 8\n",
        "my.toml, line 3: there is no setting `search.populaton`; did you mean `search.population`?",
    );
    check_error(
        "[search]\nbatch = 8\n",
        "my.toml, line 2: there is no setting `search.batch`; did you mean `retrain.batch` or `training.batch`?",
    );
    check_error("[search]\nseed = \"a\"\n", "my.toml, line 2: `search.seed` takes a whole number, not \"a\"");
    check_error(
        "[search]\npopulation = 7\n",
        "my.toml, line 2: `search.population` = 7 is out of range; expected an even number from 2 to 10000, \
         because individuals meet in pairs",
    );
    check_error(
        "[search]\ngenerations = 4\nwarm_up = 4\n",
        "my.toml, line 3: `search.warm_up` = 4 is out of range; expected fewer than search.generations, which it is \
         a part of",
    );
    check_error(
        "[search]\nseed = -1\n",
        "my.toml, line 2: `search.seed` = -1 is out of range; expected 0 or above",
    );
    check_error(
        "[retrain]\nepochs = 10\nwarmup_epochs = 4294967296\n",
        "my.toml, line 3: `retrain.warmup_epochs` = 4294967296 is out of range; expected a number up to 4294967295",
    );
    check_error(
        "[search]\nsearcher = \"slowfast\"\n",
        "my.toml, line 2: `search.searcher` = \"slowfast\" is out of range; expected one of slow-fast, random, \
         coin-flip, regularized-evolution, largest; did you mean `slow-fast`?",
    );
    check_error(
        "[preset.mine]\ntraining.lr = 1\n",
        "my.toml, line 2: there is no setting `training.lr`; `relativenas config show` lists all settings",
    );
    check_error(
        "[search]\nseed = 9223372036854775808\n",
        "my.toml, line 2: 9223372036854775808 is out of range; whole numbers go from 0 to 9223372036854775807",
    );
    check_error(
        "[finals]\narchitectures = 1\n",
        "my.toml, line 2: `finals.architectures` = 1 is out of range; expected 0 (no finals), or from 2 to 1000",
    );
    check_error(
        "[finals]\nepochs = 0\n",
        "my.toml, line 2: `finals.epochs` = 0 is out of range; expected from 1 to 1000",
    );
    check_error(
        "[search]\nmax_latency = -1.0\n",
        "my.toml, line 2: `search.max_latency` = -1.0 is out of range; expected 0 (no limit), or milliseconds \
         above 0",
    );
    check_error(
        "[search]\nmax_latency = inf\n",
        "my.toml, line 2: `search.max_latency` = inf is out of range; expected 0 (no limit), or milliseconds \
         above 0",
    );
    check_error(
        "[search]\nspace = \"nas-bench-201\"\nmax_latency = 2.5\n",
        "my.toml, line 3: `search.max_latency` = 2.5 is out of range; expected 0 where search.space is \
         nas-bench-201, in which no network is computed",
    );
    check_error(
        "[finals]\nseeds = 0\n",
        "my.toml, line 2: `finals.seeds` = 0 is out of range; expected from 1 to 20",
    );
    check_error(
        "[finals]\njudge = \"valid-loss\"\n",
        "my.toml, line 2: `finals.judge` = \"valid-loss\" is out of range; expected one of training-loss, \
         validation-loss; did you mean `validation-loss`?",
    );
    check_error(
        "[search]\nspace = \"nas-bench-201\"\n[finals]\narchitectures = 4\n",
        "my.toml, line 4: `finals.architectures` = 4 is out of range; expected 0 where search.space is \
         nas-bench-201, whose table has the figures of full trainings",
    );
    check_error(
        "[search]\ninherit = false\nwarm_up = 2\n",
        "my.toml, line 3: `search.warm_up` = 2 is out of range; expected 0 where search.inherit is false, because a \
         warm-up only trains the weights to inherit",
    );
    check_error(
        "[search]\nwarm_up = 2\none_shot = true\njudge = \"training-loss\"\n",
        "my.toml, line 4: `search.judge` = \"training-loss\" is out of range; expected validation-loss where no network \
         is trained: with search.one_shot, or where search.space is nas-bench-201",
    );
    check_error("[search\n", "my.toml, line 1: unclosed table, expected `]`");
}

#[test]
fn settings_that_do_not_go_with_a_task_say_so() {
    check_error(
        "[retrain]\ntask = \"detection\"\n",
        "built in: `retrain.kind` = \"cifar\" is out of range; expected imagenet where retrain.task is not \
         classification: its backbone has strides of 8, 16 and 32",
    );
    check_error(
        "[retrain]\noptimizer = \"adam\"\n",
        "my.toml, line 2: `retrain.optimizer` = \"adam\" is out of range; expected sgd where retrain.task is \
         classification",
    );
    check_error(
        "[retrain]\nschedule = \"steps\"\n",
        "my.toml, line 2: `retrain.schedule` = \"steps\" is out of range; expected cosine or linear where \
         retrain.task is classification",
    );
    check_error(
        "[retrain]\nmilestones = [120, 90]\n",
        "my.toml, line 2: `retrain.milestones` = [120, 90] is out of range; expected ascending epochs, such as \
         [90, 120]",
    );
    check_error(
        "[retrain]\nmilestones = 90\n",
        "my.toml, line 2: `retrain.milestones` takes a list of whole numbers, such as [90, 120], not 90",
    );
    let mut layers = Layers::built_in();
    layers.add_preset("segmentation").expect("known");
    layers.add_assignment("retrain.batch=1").expect("a setting");
    assert_eq!(
        layers.config().expect_err("one image").to_string(),
        "--set retrain.batch=1: `retrain.batch` = 1 is out of range; expected 2 or more, because batch norm \
         after a mean over all pixels has no variance over one image"
    );
}

#[test]
fn presets_of_tasks_are_the_published_settings() {
    let of = |preset: &str| {
        let mut layers = Layers::built_in();
        layers.add_preset(preset).expect("known");
        layers.config().expect("valid").retrain
    };
    for task in Task::ALL.into_iter().filter(|task| !task.is_classification()) {
        let retrain = of(task.name());
        assert_eq!((retrain.task, retrain.channels, retrain.cells), (task, 46, 14));
        assert_eq!(retrain.gradient_clip, 0.0);
    }
    let (detection, segmentation, keypoints) = (of("detection"), of("segmentation"), of("keypoints"));
    assert_eq!((detection.epochs, detection.batch, detection.learning_rate), (200, 32, 0.01));
    assert_eq!((segmentation.crop, segmentation.warmup_steps, segmentation.weight_decay), (1024, 1000, 5e-4));
    assert_eq!((keypoints.epochs, keypoints.batch, keypoints.milestones), (140, 128, vec![90, 120]));
}

#[test]
fn numbers_beyond_every_type_are_shown_as_they_were_typed() {
    for typed in ["9223372036854775808", "18446744073709551616", "-9223372036854775809"] {
        let error = Layers::built_in().add_flag("--seed", "search.seed", typed).expect_err(typed);
        let expected = format!(
            "--seed {typed}: `search.seed` = {typed} is out of range; expected from 0 to 9223372036854775807"
        );
        assert_eq!(error.to_string(), expected);
    }
    Layers::built_in().add_flag("--seed", "search.seed", "9223372036854775807").expect("the largest");
}

#[test]
fn environment_names_without_a_section_are_no_settings() {
    let mut layers = Layers::built_in();
    layers.add_environment([("RELATIVENAS_ENGINE".into(), "x".into())]).expect("ignored");
    let error = layers.add_environment([("RELATIVENAS_SEARCH__SEDE".into(), "3".into())]);
    assert_eq!(
        error.expect_err("unknown").to_string(),
        "environment, RELATIVENAS_SEARCH__SEDE: there is no setting `search.sede`; did you mean `search.seed`?"
    );
}
