//! Of presets.

statements! {
    LIST = "SELECT name, preset::text FROM presets WHERE person = $1 ORDER BY name";
    LIST_ALL = "SELECT person, name, preset::text FROM presets ORDER BY person, name";
    PUT = "INSERT INTO presets (person, name, preset, set_at) VALUES ($1, $2, $3::text::json, $4) \
           ON CONFLICT (person, name) DO UPDATE SET preset = excluded.preset, set_at = excluded.set_at";
    REMOVE = "DELETE FROM presets WHERE person = $1 AND name = $2";
}
