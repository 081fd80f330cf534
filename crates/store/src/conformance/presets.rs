//! A person's presets.

use std::sync::Arc;

use stratavore_core::preset::Preset;

use super::world::World;
use crate::{Store, StoreError};

fn preset(description: &str) -> Preset {
    let mut preset = Preset {
        description: Some(description.to_owned()),
        args: Some(vec!["--model".into(), "a \u{0} b".into()]),
        worktree: Some(true),
        ..Preset::default()
    };
    preset.env.insert("KEY".into(), "日本".into());
    preset
}

pub async fn a_preset_is_kept_under_its_name_for_one_person(store: Arc<dyn Store>) {
    let world = World::new(store);
    let put = async |person: &str, name: &str, what: &str| {
        let put = world
            .store
            .put_preset(person, name, preset(what), world.now());
        put.await.unwrap();
    };
    put("ada", "review", "one").await;
    put("ada", "Review", "two").await;
    put("ada", "fix", "three").await;
    put("ben", "fix", "his").await;
    put("ada", "review", "four").await;
    let named = |name: &str, what: &str| (name.to_owned(), preset(what));
    assert_eq!(
        world.store.presets("ada").await.unwrap(),
        [
            named("Review", "two"),
            named("fix", "three"),
            named("review", "four")
        ]
    );
    world.store.remove_preset("ada", "fix").await.unwrap();
    assert_eq!(world.store.presets("ada").await.unwrap().len(), 2);
    assert_eq!(
        world.store.presets("ben").await.unwrap(),
        [named("fix", "his")]
    );
    assert!(world.store.presets("eve").await.unwrap().is_empty());
    let all = world.store.everybodys_presets().await.unwrap();
    let all: Vec<(&str, &str)> = all
        .iter()
        .map(|(person, name, _)| (person.as_str(), name.as_str()))
        .collect();
    assert_eq!(all, [("ada", "Review"), ("ada", "review"), ("ben", "fix")]);
}

pub async fn an_unknown_preset_is_an_error_that_names_it(store: Arc<dyn Store>) {
    let world = World::new(store);
    let error = world.store.remove_preset("ada", "nope").await.unwrap_err();
    assert!(
        matches!(&error, StoreError::NoPreset(name) if name == "nope"),
        "{error:?}"
    );
}
