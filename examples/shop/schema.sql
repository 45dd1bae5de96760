-- The shop's tables. REPLICA IDENTITY FULL lets the log say what a row was before a change, so that a product that
-- moves from one category to another leaves the old list as well as entering the new one.
CREATE TABLE categories (
  id bigint PRIMARY KEY,
  name text NOT NULL
);
CREATE TABLE products (
  id bigint PRIMARY KEY,
  category_id bigint NOT NULL,
  tenant int NOT NULL,
  name text NOT NULL,
  price numeric(10, 2) NOT NULL,
  description text,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE product_categories (
  product_id bigint NOT NULL,
  category_id bigint NOT NULL,
  PRIMARY KEY (product_id, category_id)
);
-- One row that Debezium moves (heartbeat.action.query): Freshet's beacon.
CREATE TABLE freshet_beacon (
  id int PRIMARY KEY,
  beat timestamptz NOT NULL
);
-- How many commits each cached entry has seen. No cache depends on it, so Debezium does not capture it.
CREATE TABLE revisions (
  entry text PRIMARY KEY,
  revision bigint NOT NULL
);
ALTER TABLE categories REPLICA IDENTITY FULL;
ALTER TABLE products REPLICA IDENTITY FULL;
ALTER TABLE product_categories REPLICA IDENTITY FULL;
