CREATE DATABASE `odd base`;
CREATE TABLE every_type (
  a_tinyint tinyint, a_bool boolean, a_smallint smallint, a_mediumint mediumint, an_int int, a_bigint bigint,
  an_unsigned bigint unsigned, a_decimal decimal(12,3), a_float float, a_double double, a_bit bit(4),
  a_char char(3), a_varchar varchar(20), a_tinytext tinytext, a_text text, a_mediumtext mediumtext,
  a_longtext longtext, a_binary binary(3), a_varbinary varbinary(3), a_blob blob, an_enum enum('a','b c','it''s'),
  a_set set('x','y'), a_date date, a_time time, a_datetime datetime, a_datetime_3 datetime(3),
  a_timestamp timestamp NULL, a_year year, a_json json, a_uuid uuid, an_inet inet6, a_point point
);
CREATE TABLE orders (
  line int, order_id bigint, placed date NOT NULL, amount int NOT NULL,
  total int AS (amount * 2) STORED, half int AS (amount / 2) VIRTUAL,
  PRIMARY KEY (order_id, line)
);
CREATE TABLE no_key (t varchar(20) NOT NULL);
CREATE TABLE unique_only (code varchar(20) NOT NULL UNIQUE);
CREATE TABLE history (id int PRIMARY KEY, t text) WITH SYSTEM VERSIONING;
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2;
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (
  id int PRIMARY KEY, order_id bigint, line int, a int, b int, c int,
  CONSTRAINT k1 FOREIGN KEY (order_id, line) REFERENCES orders (order_id, line) ON DELETE CASCADE,
  CONSTRAINT k2 FOREIGN KEY (a) REFERENCES parents (id) ON DELETE SET NULL,
  CONSTRAINT k3 FOREIGN KEY (b) REFERENCES parents (id) ON DELETE RESTRICT,
  CONSTRAINT k4 FOREIGN KEY (c) REFERENCES parents (id) ON DELETE NO ACTION
);
CREATE TABLE `odd base`.`Order.Items` (`the id` bigint PRIMARY KEY, `null` text, `a "quoted" col` text, `näh` text);
CREATE VIEW seen AS SELECT id FROM parents;
CREATE SEQUENCE counter;
