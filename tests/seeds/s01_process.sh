# S01: ten jobs say hi, in any order.
for i in 0 1 2 3 4 5 6 7 8 9; do tine submit -- echo "say hi $i"; done >ids
tine wait $(cat ids)
for id in $(cat ids); do tine result "$id"; done | sort
