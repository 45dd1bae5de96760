use super::*;

#[test]
fn a_redis_key_and_its_entry_name_each_other() {
    for entry in [Entry::Product(7), Entry::Category(1), Entry::Listing(44)] {
        assert_eq!(Entry::of_redis_key(&entry.to_string()), Some(entry));
    }
    for foreign in ["catalog:v2:product:7", "catalog:v1:product:x", "session:7"] {
        assert_eq!(Entry::of_redis_key(foreign), None, "{foreign}");
    }
}
