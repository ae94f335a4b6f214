#!/bin/sh
# A refused COMMIT leaves an INSERT of its transaction behind.
#
#   KALAM_URL=http://127.0.0.1:8080 KALAM_TOKEN=... sh partly-committed-transaction.sh [TRIES]
#
# KALAM is the client (default: kalam), KALAM_TOKEN a token of root. Exit 1 when it was seen.
KALAM=${KALAM:-kalam}
URL=${KALAM_URL:-http://127.0.0.1:8080}
TRIES=${1:-100}
ns=kp_repro_$$
OUT=$(mktemp -d) || exit 2
trap 'kalam "DROP NAMESPACE $ns CASCADE" >/dev/null 2>&1; rm -rf "$OUT"' EXIT

kalam() { "$KALAM" -u "$URL" --token "$KALAM_TOKEN" --json --no-color --no-spinner -c "$1"; }

kalam "CREATE NAMESPACE $ns" >/dev/null || exit 2
kalam "CREATE TABLE $ns.t (id BIGINT PRIMARY KEY, v TEXT) WITH (TYPE = 'USER')" >/dev/null || exit 2
try=0 refused=0 seen=0
while [ "$try" -lt "$TRIES" ]; do
  try=$((try + 1))
  row=$((try * 10))
  fresh=$((row + 1))
  kalam "INSERT INTO $ns.t (id, v) VALUES ($row, 'there')" >/dev/null || exit 2
  kalam "BEGIN; INSERT INTO $ns.t (id, v) VALUES ($fresh, 'new'); UPDATE $ns.t SET v = 'changed' WHERE id = $row; COMMIT" \
    >"$OUT/txn" 2>&1 &
  transaction=$!
  kalam "DELETE FROM $ns.t WHERE id = $row" >/dev/null
  if ! wait "$transaction"; then
    refused=$((refused + 1))
    if kalam "SELECT id FROM $ns.t WHERE id = $fresh" | grep "\"$fresh\"" >/dev/null; then
      seen=$((seen + 1))
      [ "$seen" -gt 1 ] || cat "$OUT/txn"
    fi
  fi
done
echo "$try tries; COMMIT refused in $refused; of those the inserted row is there in $seen"
[ "$seen" -eq 0 ]
