#!/bin/sh
# A row that was flushed and then deleted comes back with the next flush that has a live row to move.
#
#   KALAM_URL=http://127.0.0.1:8080 KALAM_TOKEN=... sh deleted-row-returns-after-flush.sh [TRIES]
#
# KALAM is the client (default: kalam), KALAM_TOKEN a token of root. Exit 1 when it was seen.
KALAM=${KALAM:-kalam}
URL=${KALAM_URL:-http://127.0.0.1:8080}
TRIES=${1:-10}
TYPE=${TYPE:-USER}
ns=kp_repro_$$
trap 'kalam "DROP NAMESPACE $ns CASCADE" >/dev/null 2>&1' EXIT

kalam() { "$KALAM" -u "$URL" --token "$KALAM_TOKEN" --json --no-color --no-spinner -c "$1"; }
flush() { kalam "STORAGE FLUSH TABLE $1" >/dev/null; sleep 2; }

kalam "CREATE NAMESPACE $ns" >/dev/null || exit 2
try=0 seen=0
while [ "$try" -lt "$TRIES" ]; do
  try=$((try + 1))
  t=$ns.t_$try
  kalam "CREATE TABLE $t (id BIGINT PRIMARY KEY, v TEXT) WITH (TYPE = '$TYPE')" >/dev/null || exit 2
  kalam "INSERT INTO $t (id, v) VALUES (1, 'kept'), (4, 'deleted')" >/dev/null
  flush "$t"
  kalam "DELETE FROM $t WHERE id = 4" >/dev/null
  before=$(kalam "SELECT id FROM $t LIMIT 10" | grep -c '"4"')
  kalam "INSERT INTO $t (id, v) VALUES (11, 'new')" >/dev/null
  flush "$t"
  after=$(kalam "SELECT id FROM $t LIMIT 10" | grep -c '"4"')
  echo "try $try: row 4 after its DELETE: $before, after the next flush: $after"
  [ "$before" -eq 0 ] && [ "$after" -gt 0 ] && seen=$((seen + 1))
done
echo "seen in $seen of $TRIES tries"
[ "$seen" -eq 0 ]
