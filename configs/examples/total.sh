#!/bin/sh
# tine run --fn total --args '[1, 2, 39]' prints 42
# A line comes, a line goes; jq makes both. Whatever else is to be said goes to stderr.
while IFS= read -r request; do
  printf '%s\n' "$request" | jq -c '
    if .args | all(type == "number") then {id, result: (.args | add)}
    else {id, error: {type: "TypeError", message: "total takes numbers"}} end'
done
