# gnuplot -e "medians='pools-medians.csv'; picture='creation-times'" creation-times.gp
# Draws what a creation takes over the number of guests that run, as LightVM's paper has it: creation-times.svg and .png.
set datafile separator comma
set datafile missing ''
set key outside right center
set xlabel 'guests running'
set ylabel 'creation, ms (median, emulated)'
set logscale y
set grid
set style data linespoints
columns = int(system("head -1 ".medians." | tr ',' '\n' | wc -l"))
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 900,500 background 'white' } else { set terminal png size 900,500 }
  set output picture.'.'.format
  plot for [i = 2:columns] medians using 1:i title columnheader(i) linewidth 2
}
