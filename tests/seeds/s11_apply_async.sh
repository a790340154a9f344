# S11: "end" first, then what the callbacks print, five at a time, in no less than four seconds.
tine pool add p --size 5
tine pool pause p # so that they start together, however long it takes to submit them
from=$(date +%s%N)
for i in 0 1 2 3 4 5 6 7 8 9; do
  tine submit -g p --fn foo --args "[$i]" --callback 'sed "s/.*\"result\": *\([0-9]*\).*/\1/" >>printed'
done >/dev/null
echo end >>printed
tine pool resume p
tine pool close p
tine pool join p
until [ "$(wc -l <printed)" = 11 ]; do sleep 0.05; done
[ $((($(date +%s%N) - from) / 1000000)) -ge 4000 ] || echo 'more than five at once'
head -n 1 printed
sed 1d printed | head -n 5 | sort
tail -n 5 printed | sort
