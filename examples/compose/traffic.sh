#!/usr/bin/env bash
# The shop's traffic: writes rows, reads products through Redis and pages through Varnish, and prints every second what a
# change did. It needs psql, redis-cli and curl, and PGHOST, PGUSER, PGPASSWORD, PGDATABASE, REDIS_HOST, SHOP_URL.
set -euo pipefail

products=200
categories=20

sql() { psql --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --command "$1"; }
cache() { redis-cli -h "$REDIS_HOST" "$@"; }

sql "INSERT INTO categories SELECT n, 'category ' || n FROM generate_series(1, $categories) n ON CONFLICT DO NOTHING;
     INSERT INTO products (id, category_id, tenant, name, price)
     SELECT n, 1 + n % $categories, 1, 'product ' || n, n FROM generate_series(1, $products) n ON CONFLICT DO NOTHING"

# Fills the whole catalogue into Redis under the families' keys, as readers would on a miss. EX is the families' max_ttl.
fill() {
  local id
  for id in $(seq 1 $products); do echo "SET catalog:v1:product:$id cached EX 3600 NX"; done | cache --pipe >/dev/null
}

trap 'echo stopped; exit 0' TERM INT
while true; do
  fill
  for id in 1 2 3 4 5; do curl --silent --output /dev/null "$SHOP_URL/p/$id"; done
  before=$(cache DBSIZE)
  # Ten prices, and one product that moves to another category.
  sql "UPDATE products SET price = price + 1, updated_at = now() WHERE id IN (SELECT (random() * ($products - 1))::int + 1
         FROM generate_series(1, 10));
       UPDATE products SET category_id = 1 + category_id % $categories, updated_at = now() WHERE id = 1"
  for _ in $(seq 1 50); do
    [ "$(cache EXISTS catalog:v1:product:1)" = 0 ] && break
    sleep 0.02
  done
  page=$(curl --silent --include "$SHOP_URL/p/1" | tr -d '\r' | grep --ignore-case '^x-cache:' || echo 'x-cache: none')
  printf '%s  entries %s -> %s after about 11 changes, page /p/1 %s\n' "$(date +%T)" "$before" "$(cache DBSIZE)" "$page"
  sleep 1 &
  wait $!
done
