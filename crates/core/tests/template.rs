//! One template, one image, one name or none.

mod support;

use freshet_core::table::ColumnSlot;
use freshet_core::template::{Fold, NameForm, Rendered, Segment, Template};
use support::{Cell, image, text};

fn template(form: NameForm) -> Template {
    let segments = vec![
        Segment::Literal(b"shop.".as_slice().into()),
        Segment::Column(ColumnSlot(1), Fold::NONE),
        Segment::Literal(b"-".as_slice().into()),
        Segment::Column(ColumnSlot(0), Fold::NONE),
    ];
    Template { form, segments }
}

fn rendered(form: NameForm, cells: &[Cell]) -> (Rendered, String) {
    let mut out = b"kept".to_vec();
    let rendered = template(form).render(&image(cells), &mut out);
    let out = String::from_utf8(out).expect("ASCII");
    (
        rendered,
        out.strip_prefix("kept")
            .expect("what stood there stays")
            .to_owned(),
    )
}

#[test]
fn columns_go_where_the_template_says_through_the_codec_of_the_form() {
    let cells = [text("A:b"), text("x_1")];
    let key = rendered(NameForm::RedisKey, &cells);
    assert_eq!(key, (Rendered::Name, "shop.x_1-A%3Ab".to_owned()));
    let tag = rendered(NameForm::SurrogateKey, &cells);
    assert_eq!(tag, (Rendered::Name, "shop.x_5f1-_41_3ab".to_owned()));
}

#[test]
fn a_long_tag_is_shortened_as_a_whole_and_a_long_key_is_not() {
    let cells = [text(&"a".repeat(40)), text("b")];
    assert_eq!(rendered(NameForm::SurrogateKey, &cells).1.len(), 32);
    assert_eq!(rendered(NameForm::RedisKey, &cells).1.len(), 47);
}

#[test]
fn what_gives_no_name_leaves_the_buffer_as_it_was() {
    for (cells, expected) in [
        ([Cell::Null, text("b")], Rendered::NoName),
        ([text("a"), Cell::Null], Rendered::NoName),
        ([Cell::Unknown, text("b")], Rendered::Unknown),
        ([Cell::Unknown, Cell::Null], Rendered::Unknown),
        ([Cell::Null, Cell::Unknown], Rendered::Unknown),
    ] {
        for form in [NameForm::RedisKey, NameForm::SurrogateKey] {
            assert_eq!(
                rendered(form, &cells),
                (expected, String::new()),
                "{cells:?}"
            );
        }
    }
    assert_eq!(
        rendered(NameForm::RedisKey, &[text("a")]).0,
        Rendered::Unknown,
        "no such column"
    );
}

#[test]
fn only_known_equal_columns_are_the_same_name() {
    let same = |one: &[Cell], other: &[Cell]| {
        template(NameForm::RedisKey).same_name(&image(one), &image(other))
    };
    let known = [text("a"), text("b")];
    assert!(same(&known, &known));
    assert!(!same(&known, &[text("a"), text("c")]));
    assert!(!same(
        &[text("a"), Cell::Unknown],
        &[text("a"), Cell::Unknown]
    ));
    assert!(!same(&[text("a"), Cell::Null], &[text("a"), Cell::Null]));
}

#[test]
fn an_image_keeps_the_later_value_and_forgets_all_when_cleared() {
    let slot = ColumnSlot(0);
    let mut row = image(&[text("long before"), text("b")]);
    row.set_text(slot, "a");
    assert_eq!(row.column(slot), freshet_core::image::Column::Known("a"));
    row.set_null(slot);
    assert_eq!(row.column(slot), freshet_core::image::Column::Null);
    row.set_text(ColumnSlot(9), "nowhere");
    assert_eq!(
        row.column(ColumnSlot(9)),
        freshet_core::image::Column::Unknown
    );
    row.clear();
    assert!(!row.is_present());
    assert_eq!(
        row.column(ColumnSlot(1)),
        freshet_core::image::Column::Unknown
    );
}

const LOWER: Fold = Fold {
    lower: true,
    trim: false,
};
const TRIM: Fold = Fold {
    lower: false,
    trim: true,
};
const BOTH: Fold = Fold {
    lower: true,
    trim: true,
};

fn folded(form: NameForm, fold: Fold) -> Template {
    let segments = vec![Segment::Column(ColumnSlot(0), fold)];
    Template { form, segments }
}

fn fold_of(form: NameForm, fold: Fold, value: &str) -> String {
    let mut out = Vec::new();
    let rendered = folded(form, fold).render(&image(&[text(value)]), &mut out);
    assert_eq!(rendered, Rendered::Name);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn a_fold_changes_ascii_letters_and_blanks_at_the_end_alone() {
    use NameForm::{RedisKey, SurrogateKey};
    assert_eq!(fold_of(RedisKey, LOWER, "SKU-1 "), "sku-1%20");
    assert_eq!(fold_of(RedisKey, TRIM, "SKU-1  "), "SKU-1");
    assert_eq!(fold_of(RedisKey, BOTH, " SKU-1\t "), "%20sku-1%09");
    assert_eq!(fold_of(RedisKey, BOTH, "ÄRMEL"), "%C3%84rmel");
    assert_eq!(
        fold_of(RedisKey, BOTH, "Größe XL  "),
        "gr%C3%B6%C3%9Fe%20xl"
    );
    assert_eq!(fold_of(RedisKey, BOTH, "İẞK"), "%C4%B0%E1%BA%9Ek");
    assert_eq!(fold_of(RedisKey, BOTH, "   "), "");
    assert_eq!(fold_of(SurrogateKey, BOTH, "SKU_1 "), "sku_5f1");
    assert_eq!(fold_of(SurrogateKey, TRIM, "A "), "_41");
}

#[test]
fn a_folded_name_is_that_of_the_folded_value() {
    for length in [0, 1, 127, 128, 129, 255, 256, 257, 1000] {
        let value = "Ab: Ä".chars().cycle().take(length).collect::<String>() + "  ";
        for form in [NameForm::RedisKey, NameForm::SurrogateKey] {
            for fold in [LOWER, TRIM, BOTH] {
                let lower = fold.apply(&value);
                let plain = fold_of(form, Fold::default(), &lower);
                assert_eq!(fold_of(form, fold, &value), plain, "{length} {fold:?}");
            }
        }
    }
}

#[test]
fn spellings_that_fold_to_one_are_the_same_name() {
    let same = |fold, one, other| {
        folded(NameForm::RedisKey, fold).same_name(&image(&[text(one)]), &image(&[text(other)]))
    };
    assert!(same(BOTH, "SKU ", "sku"));
    assert!(!same(LOWER, "SKU ", "sku"));
    assert!(!same(TRIM, "SKU ", "sku"));
    assert!(same(TRIM, "sku ", "sku"));
    assert!(!same(BOTH, "Ä", "ä"));
    let unknown = image(&[Cell::Unknown]);
    assert!(!folded(NameForm::RedisKey, BOTH).same_name(&unknown, &unknown));
}
