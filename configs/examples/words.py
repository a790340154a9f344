# tine run --fn words --args '["to be or not to be"]' prints {"be":2,"not":1,"or":1,"to":2}
from collections import Counter

from tine_worker import serve


def words(text):
    return Counter(text.split())


def longest(text):
    return max(text.split(), key=len)


serve({"words": words, "longest": longest})
