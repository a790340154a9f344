# S06: three items, ten jobs that get one: three print theirs, seven go on waiting.
tine queue put q h1 h2 h3
for i in 0 1 2 3 4 5 6 7 8 9; do tine submit --shell 'tine queue put printed "$(tine queue get q)"' >/dev/null; done
for n in 1 2 3; do tine queue get printed; done | sort
tine queue get printed --timeout 300ms 2>/dev/null
[ $? = 124 ] && [ "$(tine queue size q)" = 0 ] && echo 'and no more'
until waiting=$(tine list --state running --json | wc -l) && [ "$waiting" -le 7 ]; do sleep 0.05; done
echo "$waiting were waiting"
