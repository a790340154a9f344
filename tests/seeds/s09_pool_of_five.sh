# S09: a pool of five runs no more than five at once; the others wait until one is free.
tine pool add p --size 5
tine array create inside i 0
tine pool pause p # so that they start together, however long it takes to submit them
for i in $(seq 20); do
  tine submit -g p --shell 'tine array add inside 0 1; sleep 0.5; tine array add inside 0 -1 >/dev/null'
done >ids
tine pool resume p
tine wait $(cat ids)
for id in $(cat ids); do tine result "$id"; done | sort -n | tail -n 1 | sed 's/$/ at once/'
