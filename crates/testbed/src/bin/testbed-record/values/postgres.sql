create extension citext;
create extension hstore;
create type mood as enum ('sad', 'ok', 'Very Happy');
create domain positive_int as int check (value > 0);
create domain short_text as text check (length(value) < 40);
create domain price as numeric(10,2);
create domain sale_price as price;

create table numbers (
  id bigint primary key,
  a_smallint smallint, an_int int, a_bigint bigint, a_serial serial,
  a_numeric_10_2 numeric(10,2), a_numeric_10_0 numeric(10,0), a_numeric_30_5 numeric(30,5), a_numeric numeric,
  a_real real, a_double double precision, a_money money, a_bool boolean, an_oid oid,
  a_domain_int positive_int, a_domain_numeric sale_price
);
insert into numbers values
  (1, 7, 42, 1234567890123, 1, 19.90, 1234, 12345.67890, 1.500, 1.5, 2.25, 1234.5, true, 17, 5, 9.99),
  (2, null, null, null, 2, null, null, null, null, null, null, null, null, null, null, null),
  (3, 32767, 2147483647, 9223372036854775807, 2147483647, 99999999.99, 9999999999, 9999999999999999999999999.99999,
   123456789012345678901234567890.000000000000000000001, 3.4028235e38, 1.7976931348623157e308, 92233720368547758.07,
   false, 4294967295, 2147483647, 99999999.99),
  (4, -32768, -2147483648, -9223372036854775808, 3, -99999999.99, -9999999999, -0.00001, -0.10, -1e-7, -1e-7, -0.05,
   false, 0, 1, -0.05),
  (5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false, 0, 1, 0),
  (6, 1, 1, 1, 1, 0.10, 100, 100, 1e20, 0.1, 0.1, 1, true, 1, 1, 0.1),
  (7, 1, 1, 1, 1, 1, 1, 1, 100.00, 'NaN', 'NaN', 1, true, 1, 1, 1),
  (8, 1, 1, 1, 1, 1, 1, 1, 1, 'Infinity', '-Infinity', 1, true, 1, 1, 1),
  (9, 1, 1, 1, 1, 'NaN', 'NaN', 'NaN', 'NaN', 1, 1, 1, true, 1, 1, 'NaN');

create table texts (
  id bigint primary key,
  a_text text, a_varchar varchar(20), a_char char(5), a_citext citext, a_name name, a_uuid uuid, an_enum mood,
  a_domain_text short_text, a_json json, a_jsonb jsonb, an_xml xml, an_inet inet, a_cidr cidr, a_macaddr macaddr,
  a_macaddr8 macaddr8, a_tsvector tsvector, a_point point, a_range int4range
);
insert into texts values
  (1, 'Kettle', 'Mug', 'ab', 'MiXed', 'a_name', '6F1C1F0E-2A52-4D0E-9D3C-0B6A6A0F0001', 'sad', 'short',
   '{"b": 1,  "a":[1.50, "x"]}', '{"b": 1,  "a":[1.50, "x"]}', '<a b="c"/>', '192.168.0.1', '10.0.0.0/8',
   '08:00:2B:01:02:03', '08:00:2b:01:02:03:04:05', 'a fat cat', '(1.5,-2)', '[1,5]'),
  (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
  (3, '', '', '', '', '', '00000000-0000-0000-0000-000000000000', 'Very Happy', '', '""', 'null', '', '::1/64', '::/0',
   '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '', '(0,0)', 'empty'),
  (4, E'a:b*c\n"d"\\ %~', 'trailing  ', 'abcde', 'ÄÖ ß', 'Name', 'ffffffff-ffff-4fff-bfff-ffffffffffff', 'ok',
   'Käse 🧀', '[1, 2, 3]', '{"z": 1e3, "a": 0.10}', '<a>1</a>', '192.168.0.1/24', '192.168.100.128/25',
   'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'the:1 quick:2A', '(1e20,0.1)', '(,5)'),
  (5, '1234', 'true', ' a', '1', '7', '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0005', 'ok', '1.50', '1.50', '1.50', '<b/>',
   'fe80::1', '2001:db8::/32', '01:02:03:04:05:06', '01:02:03:04:05:06:07:08', 'x', '(3,4)', '[3,)');

create table bytes_and_lists (
  id bigint primary key,
  a_bytea bytea, a_bit_1 bit(1), a_bit_8 bit(8), a_varbit bit varying(8), an_hstore hstore, ints int[], texts text[],
  numerics numeric(10,2)[]
);
insert into bytes_and_lists values
  (1, '\x00ff10', '1', '10000001', '101', 'a=>1, b=>NULL', '{1,2,3}', '{a,"b c",NULL}', '{1.50,2}'),
  (2, null, null, null, null, null, null, null, null),
  (3, '', '0', '00000000', '', '', '{}', '{}', '{}'),
  (4, '\x666f6f', '0', '11111111', '11111111', '"k ey"=>"v\"al"', '{{1,2},{3,4}}', '{""}', '{}'),
  (5, '\xfbff', '1', '00000001', '0', 'x=>y', '{-1,NULL}', '{"a,b","\"","NULL"}', '{-0.05}');

create table times (
  id bigint primary key,
  a_date date, a_time_0 time(0), a_time_3 time(3), a_time_6 time(6), a_time time, a_timetz timetz,
  a_timestamp_0 timestamp(0), a_timestamp_3 timestamp(3), a_timestamp_6 timestamp(6), a_timestamp timestamp,
  a_timestamptz_0 timestamptz(0), a_timestamptz_3 timestamptz(3), a_timestamptz timestamptz, an_interval interval
);
insert into times
  select id, d::date, t::time, t::time, t::time, t::time, (t || '+02')::timetz, ts::timestamp, ts::timestamp, ts::timestamp,
         ts::timestamp, (ts || '+00')::timestamptz, (ts || '+00')::timestamptz, (ts || '+00')::timestamptz, i::interval
  from (values
    (1, '2024-05-31', '12:34:56.123456', '2025-11-23 04:40:53.123456', '1 year 2 mons 3 days 04:05:06.789'),
    (2, null, null, null, null),
    (3, '1970-01-01', '00:00:00', '1970-01-01 00:00:00', '0'),
    (4, '2024-02-29', '01:02:03.5', '2026-03-01 12:00:00.5', '-1 days -00:00:01'),
    (5, '1969-12-31', '23:59:59.999', '1969-12-31 23:59:59.999', '36:00:00'),
    (6, '0001-01-01', '24:00:00', '0001-01-01 00:00:00.000001', '1 day'),
    (7, '1582-10-10', '00:00:00.000001', '1582-10-10 10:11:12.120', '1 mon'),
    (8, '2300-01-01', '12:00:00', '2300-01-01 00:00:00.25', '1 year'),
    (9, '9999-12-31', '12:00:00', '9999-12-31 23:59:59', '1000 years')
  ) v(id, d, t, ts, i);

create table far_times (
  id bigint primary key, a_date date, a_timestamp_3 timestamp(3), a_timestamp timestamp, a_timestamptz_3 timestamptz(3),
  a_timestamptz timestamptz
);
insert into far_times values
  (1, 'infinity', 'infinity', 'infinity', 'infinity', 'infinity'),
  (2, '-infinity', '-infinity', '-infinity', '-infinity', '-infinity'),
  (3, '0044-03-15 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00+00 BC',
   '0044-03-15 12:00:00+00 BC'),
  (4, '20000-01-02', '20000-01-02 03:04:05.678', '20000-01-02 03:04:05.678', '20000-01-02 03:04:05.678+00',
   '20000-01-02 03:04:05.678+00');

create table defaults (
  id bigint primary key,
  an_int int default 5, a_text text default 'red', a_numeric numeric(10,2) default 1.50, a_bool boolean default true,
  a_date date default '2020-02-02', a_timestamp_3 timestamp(3) default '2020-02-02 01:02:03.004',
  a_timestamptz timestamptz default '2020-02-02 01:02:03+00', a_now timestamptz default now(),
  a_uuid uuid default '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0009', a_double double precision default 2.5,
  an_enum mood default 'ok', a_char char(5) default 'x', ints int[] default '{1}', a_bytea bytea default '\x01',
  a_required int not null default 7, a_null text default null
);
insert into defaults (id, a_now) values (1, '2026-01-01 00:00:00+00');
insert into defaults values
  (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, 8, null),
  (3, 6, 'blue', 2.50, false, '2021-03-03', '2021-03-03 04:05:06.7', '2021-03-03 04:05:06.7+00', '2021-03-03 04:05:06.7+00',
   '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0003', 3.5, 'sad', 'y', '{2}', '\x02', 9, 'set');
