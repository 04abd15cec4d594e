"""From photographs to people.

Read them in the order of the data: `forward` runs a Keras network, or an exported one that `runtimes` opens;
`decoding` turns maps into people. `looks` does both for photographs of any size; `refinement` repeats both
for every person. `predict` combines them; `video` and `tracking` serve videos. `squares`, `crops` and
`whole_body` find hands and faces. `arguments` checks the names of options.
"""
