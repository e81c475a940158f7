"""What ``doctor`` looks at: each check asks one question and answers in one line.

A check never raises for what it finds: a failure is its result. What it can not ask, for want of a
right or since something before it failed, is skipped and says why.
"""
