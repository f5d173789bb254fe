#!/bin/sh
# Makes the clip that `rillcast demo` publishes: assets/demo.ivf (VP8) and assets/demo.ogg (Opus).
#
# Needs Debian's ffmpeg and fonts-dejavu-core. Every expression below is periodic in the clip's length, so
# that the last frame leads into the first; one thread and bitexact flags make a second run give the same
# bytes with the same ffmpeg.
set -eu
cd "$(dirname "$0")/.."

seconds=20
rate=30
font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
bold=/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf
mono=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf

# Slow water: two waves that cross, drawn small and scaled up, which costs little and stays smooth.
w="(0.5+0.5*sin(2*PI*(X/W*1.2+T/10)+1.6*sin(2*PI*(Y/H*0.9-T/20))))"
v="(0.5+0.5*sin(2*PI*(Y/H*0.8-X/W*0.5+T/20)+1.2*sin(2*PI*(X/W+T/10))))"
water="geq=r='10+14*$w+22*$w*$v':g='26+46*$v+52*$w*$v':b='54+58*$w+46*$v'"

# A rill of light, and a ball that goes round once in four seconds: drawn once, then moved.
line="(0.72+0.05*sin(2*PI*(X/W*1.5-T/5))+0.025*sin(2*PI*(X/W*3+T/4)))"
glow="(exp(-pow((Y/H-$line)*30,2))+0.35*exp(-pow((Y/H-$line)*9,2)))"
light="geq=r='150*$glow':g='clip(235*$glow,0,255)':b='clip(245*$glow,0,255)'"
ball="geq=r=255:g=200:b=70:a='255*clip(15-hypot(X-16,Y-16),0,1)'"

picture="[0:v]$water,scale=640:360:flags=bicubic,format=gbrp[water];
[1:v]$light,scale=640:360:flags=bicubic,format=gbrp[light];
[2:v]$ball,loop=loop=-1:size=1,setpts=N/($rate*TB)[ball];
[water][light]blend=all_mode=screen,format=yuv420p[flow];
[flow][ball]overlay=x='304+256*cos(PI*t/2)':y='130+96*sin(PI*t/2)':shortest=1,format=yuv420p,
drawtext=fontfile=$bold:text=rillcast:fontsize=64:fontcolor=white:x=(w-tw)/2:y=92:shadowcolor=black@0.35:shadowx=2:shadowy=2,
drawtext=fontfile=$font:text='one publisher · many subscribers':fontsize=19:fontcolor=white@0.85:x=(w-tw)/2:y=168,
drawbox=x=218:y=281:w=204:h=46:color=black@0.45:t=fill,
drawtext=fontfile=$mono:text='%{eif\:floor(t)\:d\:2}.%{eif\:mod(n\,$rate)\:d\:2}':fontsize=32:fontcolor=white:x=232:y=290,
drawtext=fontfile=$font:text='s . frame':fontsize=14:fontcolor=white@0.7:x=340:y=300,
drawbox=x=24:y=24:w=14:h=14:color=white@0.25:t=fill,
drawbox=x=24:y=24:w=14:h=14:color=0xffd75e:t=fill:enable='lt(mod(t,1),0.1)',
drawtext=fontfile=$font:text='beep':fontsize=14:fontcolor=white@0.7:x=46:y=23,
drawtext=fontfile=$font:text='VP8 · Opus · 640×360 · 30 fps':fontsize=14:fontcolor=white@0.7:x=w-tw-24:y=23"

ffmpeg -hide_banner -loglevel error -y \
    -f lavfi -i "color=black:s=64x36:r=$rate:d=$seconds,format=gbrp" \
    -f lavfi -i "color=black:s=160x90:r=$rate:d=$seconds,format=gbrp" \
    -f lavfi -i "color=black:s=32x32:r=$rate:d=0.01,format=gbrap" \
    -filter_complex "$picture" -frames:v $((seconds * rate)) \
    -c:v libvpx -threads 1 -deadline good -cpu-used 1 -b:v 560k -maxrate 700k -bufsize 700k \
    -g $((rate * 2)) -keyint_min $((rate * 2)) -auto-alt-ref 0 -lag-in-frames 0 -error-resilient 0 \
    -flags +bitexact -fflags +bitexact -f ivf assets/demo.ivf

# A quiet chord (whole hertz, so it closes on itself), and each second a beep: left on even seconds, right on
# odd ones, with soft edges. A packet that begins at or after the picture's end is not sent.
pad="0.05*sin(2*PI*220*t)+0.04*sin(2*PI*277*t)+0.04*sin(2*PI*330*t)*(0.7+0.3*sin(2*PI*t/5))"
beep="0.35*sin(2*PI*880*t)*sin(PI*min(mod(t\\,1)/0.1\\,1))"
ffmpeg -hide_banner -loglevel error -y \
    -f lavfi -i "aevalsrc=$pad+$beep*eq(mod(floor(t)\,2)\,0)|$pad+$beep*eq(mod(floor(t)\,2)\,1):s=48000:d=$seconds" \
    -c:a libopus -b:a 48k -vbr on -frame_duration 20 -application audio -flags +bitexact -fflags +bitexact \
    -serial_offset 1 -f ogg assets/demo.ogg

ls -l assets/demo.ivf assets/demo.ogg
