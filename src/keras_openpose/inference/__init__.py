"""From photographs to people.

Read them in the order of the data: `forward` runs a Keras network, or an exported one that `runtimes` opens;
`decoding` turns maps into people; `predict` does both for photographs of any size, `video` with `tracking`
for videos. `squares`, `crops` and `whole_body` find hands and faces. `arguments` checks the names of options.
"""
