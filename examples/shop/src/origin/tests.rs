use super::*;
use crate::store::Tables;

#[test]
fn tags_are_those_the_registry_purges_by() {
    let tables = Tables::stocked(3, 2, 0);
    let tags = |entry: Entry| tags_of(entry, &tables.body(entry));
    assert_eq!(tags(Entry::Product(5)), "product-5 category-2");
    assert_eq!(
        tags(Entry::Product(99)),
        "product-99",
        "no row, no category"
    );
    assert_eq!(tags(Entry::Category(2)), "category-2");
    assert_eq!(tags(Entry::Listing(2)), "listing-2");
}
