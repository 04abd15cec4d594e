"""From photographs to people.

Read them in the order of the data: `forward` runs a Keras network, or an exported one that `runtimes` opens;
`decoding` turns maps into people; `looks` does both for photographs of any size, and `refinement` again for
every person. `predict` puts them together, `video` with `tracking` for videos. `squares`, `crops` and
`whole_body` find hands and faces. `arguments` checks the names of options.
"""
