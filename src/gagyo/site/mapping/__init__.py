"""A hospital's rows become the study's variables, and its own data engineer is told how that went.

Two kinds of words come out of here, and they must not meet. **Findings** go into errors, which may be logged or shown
elsewhere: they name variables and count values, and hold no value from a row. The **mapping report** is for the person
at the hospital who maps the columns: it lists raw labels and ranges, stays there, and is never put into an exception.
"""
