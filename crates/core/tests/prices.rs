//! The price table, and what it makes of tokens.

use stratavore_core::usage::{NanoUsd, Prices, Tokens};

fn table(rows: &str) -> Result<Prices, String> {
    let text = format!("date = \"2026-01-31\"\n{rows}");
    Prices::parse("prices.toml", &text).map_err(|error| error.to_string())
}

#[test]
fn the_table_of_this_release_is_whole() {
    let prices = Prices::built_in();
    assert_eq!(prices.date.to_string(), "2026-09-22");
    assert!(prices.models.len() > 40, "{}", prices.models.len());
    for (model, price) in &prices.models {
        let rates = price.base;
        assert!(rates.input > 0 && rates.output > rates.input, "{model}");
        assert!(rates.cache_read < rates.input, "{model}");
    }
}

#[test]
fn a_model_is_found_by_its_name_or_without_its_date_and_else_has_no_price() {
    let prices = Prices::built_in();
    let price = prices.price("claude-opus-4-5").expect("a price");
    assert_eq!(prices.price("claude-opus-4-5-20251101"), Some(price));
    let opus = price.base;
    assert_eq!(price.above, opus);
    assert_eq!((opus.input, opus.output), (5_000, 25_000));
    assert_eq!(
        (opus.cache_write_5m, opus.cache_write_1h, opus.cache_read),
        (6_250, 10_000, 500)
    );
    for model in [
        "",
        "claude",
        "claude-opus-4-5-2025",
        "claude-opus-4-5-latest",
        "gpt",
    ] {
        assert_eq!(prices.price(model), None, "{model}");
    }
}

#[test]
fn each_kind_has_its_price_and_no_sum_wraps() {
    let prices = table(
        "[models.m]\ninput = 1\noutput = 2\ncache_write_5m = 3\ncache_write_1h = 4\ncache_read = 0.5\n",
    );
    let prices = prices.expect("a table");
    let price = prices.price("m").expect("a price");
    let tokens = Tokens {
        input: 1,
        output: 10,
        cache_write_5m: 100,
        cache_write_1h: 1_000,
        cache_read: 10_000,
    };
    assert_eq!(
        price.cost(&tokens),
        NanoUsd(1_000 + 20_000 + 300_000 + 4_000_000 + 5_000_000)
    );
    let most = Tokens {
        input: u64::MAX,
        output: u64::MAX,
        ..Tokens::default()
    };
    assert_eq!(price.cost(&most), NanoUsd(u64::MAX));
    assert_eq!(most.total(), u64::MAX);
}

#[test]
fn what_is_above_200000_tokens_of_a_kind_may_cost_more() {
    let prices = table(
        "[models.m]\ninput = 1\noutput = 2\n[models.m.above_200k]\ninput = 10\noutput = 20\ncache_read = 7\n",
    );
    let prices = prices.expect("a table");
    let price = prices.price("m").expect("a price");
    let tokens = Tokens {
        input: 200_000,
        output: 200_001,
        cache_read: 200_010,
        ..Tokens::default()
    };
    let first = 200_000 * (1_000 + 2_000 + 100);
    assert_eq!(price.cost(&tokens), NanoUsd(first + 20_000 + 10 * 7_000));
}

#[test]
fn a_table_that_makes_no_sense_is_refused_by_file_and_model() {
    for (rows, words) in [
        ("[models.m]\ninput = -1\noutput = 2\n", "m: input is -1"),
        ("[models.m]\ninput = 1\noutput = nan\n", "m: output is NaN"),
        ("[models.m]\ninput = 1\noutput = inf\n", "m: output is inf"),
        (
            "[models.m]\ninput = 1\noutput = 1000001\n",
            "from 0 to 1000000",
        ),
        ("[models.m]\noutput = 1\n", "input"),
        ("[models.m]\ninput = 1\noutput = 1\ncache = 1\n", "cache"),
        (
            "[models.m]\ninput = 1\noutput = 1\nabove_200k = { input = 1, output = -2 }\n",
            "m: output is -2",
        ),
        ("models = 3\n", "invalid type"),
    ] {
        let refused = table(rows).expect_err("refused");
        assert!(
            refused.starts_with("prices.toml: ") && refused.contains(words),
            "{refused}"
        );
    }
    let undated = Prices::parse("p", "date = \"soon\"\n[models]\n").expect_err("refused");
    assert!(undated.to_string().contains("2026-01-31"), "{undated}");
    assert!(table("[models.m]\ninput = 0\noutput = 0\n").is_ok());
}

#[test]
fn money_is_read_exactly_or_not_at_all() {
    assert_eq!(NanoUsd::parse(" 2.50 "), Some(NanoUsd(2_500_000_000)));
    assert_eq!(NanoUsd::parse("0"), Some(NanoUsd(0)));
    assert_eq!(NanoUsd::parse("0.000000001"), Some(NanoUsd(1)));
    for text in [
        "",
        "-1",
        "1.0000000001",
        "1e3",
        ".5",
        "1,5",
        "18446744074",
        "$1",
        "1.-5",
    ] {
        assert_eq!(NanoUsd::parse(text), None, "{text}");
    }
}
